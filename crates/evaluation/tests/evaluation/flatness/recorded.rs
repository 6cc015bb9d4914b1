//! Records of flatness and their file.

use super::world::{Net, attack, batches};
use cni_attacks::weights::{WeightRegion, WeightThreat};
use cni_evaluation::EvaluationError;
use cni_evaluation::flatness::{
    AverageFlatness, Flatness, FlatnessRecord, FlatnessRecords, FlatnessStep, Landscape,
    RobustLoss, WorstFlatness, flatness_kinds, flatness_table,
};
use schemars::schema_for;
use serde_json::Value;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

fn settings() -> Flatness {
    let landscape = Landscape::published().with_points(3).unwrap().with_directions(1).unwrap();
    Flatness::new()
        .with_average(Some(AverageFlatness::published().with_attempts(3).unwrap()))
        .with_worst(Some(WorstFlatness::of_text().with_attempts(1).unwrap().with_steps(2).unwrap()))
        .with_landscape(Some(landscape))
        .with_reference_restarts(1)
        .unwrap()
}

fn records(steps: &mut Vec<FlatnessStep>) -> FlatnessRecords {
    let net = Net::new(false);
    let loss = RobustLoss::new(&net, Net::forward, attack(), batches(6, 4)).unwrap();
    let record = settings().run_with(&net, &loss, &mut |step| steps.push(*step)).unwrap();
    FlatnessRecords::new(vec![record])
}

#[test]
fn records_come_back_from_their_file_and_a_change_is_seen() {
    let (folder, mut steps) = (tempfile::tempdir().unwrap(), Vec::new());
    let records = records(&mut steps);
    records.save(folder.path()).unwrap();
    assert_eq!(FlatnessRecords::read(folder.path()).unwrap(), records);
    let parts: Vec<(&str, usize, usize)> =
        steps.iter().map(|step| (step.part, step.done, step.of)).collect();
    let wanted = [("reference", 1, 1), ("average", 1, 3), ("average", 2, 3), ("average", 3, 3)];
    assert_eq!(parts[..4], wanted);
    assert_eq!((parts[4], parts.len()), (("worst case", 1, 1), 5 + 2 * 3));
    let path = folder.path().join(FlatnessRecords::FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("reference", "Reference")).unwrap();
    let error = FlatnessRecords::read(folder.path()).unwrap_err();
    assert!(matches!(error, EvaluationError::Checksum { .. }), "{error}");
}

#[test]
fn numbers_fit_together_and_the_table_shows_them() {
    let records = records(&mut Vec::new());
    let record = &records.records[0];
    let (average, worst) = (record.average.as_ref().unwrap(), record.worst.as_ref().unwrap());
    let mean = average.losses.iter().sum::<f64>() / 3.0;
    let variance = average.losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 2.0;
    assert!(
        (average.mean - mean).abs() < 1e-12
            && (average.flatness + record.reference - mean).abs() < 1e-12
    );
    assert!((average.sd.unwrap() - variance.sqrt()).abs() < 1e-12);
    assert!((average.standard_error.unwrap() - (variance / 3.0).sqrt()).abs() < 1e-12);
    // A single attempt has no spread.
    assert_eq!((worst.sd, worst.standard_error), (None, None));
    assert!((worst.flatness - (worst.losses[0] - record.reference)).abs() < 1e-12);
    assert!(record.passes.forwards > 0 && record.passes.backwards > 0);
    let table = flatness_table(&records.records);
    for text in ["robust loss", "average (xi 0.5, sphere, n)", "worst case (xi 0.00075, ball, n)"] {
        assert!(table.contains(text), "{table}");
    }
    assert!(table.contains(&format!("{:.4}", record.reference)), "{table}");
}

/// A change of a record.
type Change = fn(&mut FlatnessRecord);

/// Flatnesses by other data, attacks, radii or layers cannot be compared, and no heading says that
/// they can.
#[test]
fn measurements_of_other_kinds_stand_in_tables_of_their_own() {
    let mut record = records(&mut Vec::new()).records.remove(0);
    record.data.fingerprint = "a".to_string();
    let with = |change: Change| {
        let mut other = record.clone();
        change(&mut other);
        other
    };
    let alike: [Change; 5] = [
        |other| other.model.name = "other".to_string(),
        |other| (other.stochastic, other.draws) = (true, 20),
        |other| other.attack["draws"] = 10.into(),
        |other| other.average = None,
        |other| other.landscape.clear(),
    ];
    for change in alike {
        assert_eq!(record.other_kind(&with(change)), None);
    }
    let of_other_kinds: [(&str, Change); 8] = [
        ("examples", |other| other.examples = 5),
        ("data", |other| other.data.fingerprint = "b".to_string()),
        ("attack", |other| other.attack["steps"] = 40.into()),
        ("reference restarts", |other| other.reference_restarts = 10),
        ("average", |other| {
            let quarter = WeightThreat::new(0.25, WeightRegion::Sphere).unwrap();
            other.average.as_mut().unwrap().threat = quarter;
        }),
        ("worst case", |other| other.worst.as_mut().unwrap().losses.push(1.0)),
        ("layers", |other| other.layers.truncate(1)),
        ("length of random directions", |other| other.landscape[0].length = 0.25),
    ];
    for (setting, change) in of_other_kinds {
        let other = with(change);
        let differs = record.other_kind(&other).unwrap();
        assert_eq!(differs.setting, setting);
        let all = [record.clone(), other, with(alike[0])];
        assert_eq!(flatness_kinds(&all), [vec![0, 2], vec![1]], "{setting}");
        let table = flatness_table(&all);
        assert_eq!(table.matches("robust loss").count(), 2, "{table}");
        let quarter = usize::from(setting == "average");
        assert_eq!(table.matches("average (xi 0.25").count(), quarter, "{table}");
        assert_eq!(table.matches("average (xi 0.5").count(), 2 - quarter, "{table}");
    }
}

#[test]
fn another_choice_of_layers_or_of_lengths_is_another_measurement() {
    let record = records(&mut Vec::new()).records.remove(0);
    let net = Net::new(false);
    let loss = RobustLoss::new(&net, Net::forward, attack(), batches(6, 4)).unwrap();
    let differs = |measurement: Flatness| {
        measurement.difference_from(&record, &loss).map(|other| other.setting)
    };
    assert_eq!(differs(settings()), None);
    let weights = settings().with_layers(|layer| layer.path.ends_with("weight"));
    assert_eq!(differs(weights).as_deref(), Some("layers"));
    let landscape = Landscape::published().with_points(3).unwrap().with_directions(1).unwrap();
    for (random, adversarial, setting) in [
        (0.25, 0.025, "length of random directions"),
        (0.5, 0.05, "length of the adversarial direction"),
    ] {
        let other = landscape.with_lengths(random, adversarial).unwrap();
        let measurement = settings().with_landscape(Some(other));
        assert_eq!(differs(measurement).as_deref(), Some(setting));
    }
    // With a landscape that has no adversarial direction, its length says nothing.
    let other = landscape.with_lengths(0.5, 0.05).unwrap();
    let measurement = settings().with_worst(None).with_landscape(Some(other));
    assert_eq!(differs(measurement).as_deref(), Some("worst case"));
}

/// A record is written whole or not at all: a run that dies leaves the folder as it was.
#[test]
fn a_run_that_dies_leaves_the_record_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let before = records(&mut Vec::new());
    before.save(folder.path()).unwrap();
    let died = catch_unwind(AssertUnwindSafe(|| {
        let net = Net::new(false);
        let loss = RobustLoss::new(&net, Net::forward, attack(), batches(6, 4)).unwrap();
        let mut left = 2;
        let record = settings().run_with(&net, &loss, &mut |_| {
            left -= 1;
            assert!(left > 0, "killed");
        });
        FlatnessRecords::new(vec![record.unwrap()]).save(folder.path()).unwrap();
    }));
    assert!(died.is_err());
    assert_eq!(FlatnessRecords::read(folder.path()).unwrap(), before);
    let files: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
}

#[test]
fn a_later_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let later = FlatnessRecords { schema: 2, records: Vec::new() };
    later.save(folder.path()).unwrap();
    let error = FlatnessRecords::read(folder.path()).unwrap_err();
    assert!(matches!(error, EvaluationError::Schema { got: 2, .. }), "{error}");
}

/// The schema in the repository is that of the types, and holds for a record.
#[test]
fn the_schema_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/flatness.schema.json");
    let text = serde_json::to_string_pretty(&schema_for!(FlatnessRecords)).unwrap() + "\n";
    if std::env::var_os("CNI_WRITE_SCHEMA").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "set CNI_WRITE_SCHEMA=1 and test once more");
    let schema: Value = serde_json::from_str(&committed).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let value: Value = serde_json::from_slice(&records(&mut Vec::new()).bytes()).unwrap();
    schema.validate(&value).unwrap();
    let mut broken = value;
    broken["records"][0]["reference"] = "low".into();
    assert!(schema.validate(&broken).is_err());
}
