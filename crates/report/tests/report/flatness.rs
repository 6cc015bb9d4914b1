//! The page about flatness.

use crate::support::page::{assert_sound, selected};
use cni_attacks::Passes;
use cni_attacks::weights::{WeightRegion, WeightThreat};
use cni_evaluation::flatness::{FlatnessRecord, FlatnessRecords, LandscapeCurve, PerturbedLosses};
use cni_evaluation::{DataCard, ModelCard, Point};
use cni_noise::Key;
use cni_report::{FlatnessReport, ReportError};
use scraper::Html;

fn losses(radius: f64, flatness: f64) -> PerturbedLosses {
    PerturbedLosses {
        threat: WeightThreat::new(radius, WeightRegion::Sphere).unwrap(),
        restarts: 1,
        steps: None,
        step: None,
        losses: vec![1.25, 1.75],
        mean: 1.5,
        sd: Some(0.353),
        standard_error: Some(0.25),
        flatness,
    }
}

fn record(name: &str, flatness: f64) -> FlatnessRecord {
    let curve = |adversarial, length: f64| LandscapeCurve {
        adversarial,
        length,
        points: [-1.0, 0.0, 1.0].map(|x| Point { x, y: 1.0 + x * x, low: None, high: None }).into(),
    };
    FlatnessRecord {
        version: "0".into(),
        data: DataCard::default(),
        model: ModelCard { name: name.into(), ..ModelCard::default() },
        command: "cni flatness --run <run>".into(),
        examples: 100,
        attack: serde_json::json!({ "attack": "pgd" }),
        attack_name: "PGD-20".into(),
        stochastic: false,
        draws: 1,
        key: Key::new(1),
        layers: vec!["conv.weight".into(), "conv.bias".into()],
        reference_restarts: 10,
        reference: 0.875,
        average: Some(losses(0.5, flatness)),
        worst: None,
        landscape: vec![curve(false, 0.5), curve(false, 0.5), curve(true, 0.025)],
        passes: Passes { forwards: 1000, backwards: 900 },
        seconds: 3.0,
    }
}

#[test]
fn models_stand_side_by_side_with_their_landscapes() {
    let records = FlatnessRecords::new(vec![record("early", 0.5), record("last", 1.625)]);
    let report = FlatnessReport::new(records.clone()).unwrap();
    let (html, markdown) = (report.html(), report.markdown());
    let page = Html::parse_document(&html);
    assert_sound("flatness", &html);
    assert_eq!(selected(&page, "figure svg").len(), 2);
    for text in ["early", "last", "0.875", "1.625", "sphere of ξ = 0.5", "PGD-20", "conv.bias"] {
        assert!(html.contains(text) && markdown.contains(text), "{text}");
    }
    assert!(!html.contains("worst case, ") && !html.contains("--run <run>"));
    let folder = tempfile::tempdir().unwrap();
    report.write(folder.path()).unwrap();
    assert_eq!(FlatnessRecords::read(folder.path()).unwrap(), records);
    let csv = std::fs::read_to_string(folder.path().join("data/landscape-random.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * 3);
    for file in ["flatness.html", "flatness.md", "figures/landscape-adversarial.png"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}

/// Flatnesses by other radii or lengths of a direction cannot be compared.
#[test]
fn each_kind_of_measurement_has_its_own_table_and_its_own_charts() {
    let (mut quarter, mut longer) = (record("quarter", 0.75), record("longer", 0.25));
    quarter.average = Some(losses(0.25, 0.75));
    longer.landscape[2].length = 0.05;
    let all = vec![record("early", 0.5), quarter, longer, record("last", 1.625)];
    let report = FlatnessReport::new(FlatnessRecords::new(all)).unwrap();
    let (html, markdown) = (report.html(), report.markdown());
    let page = Html::parse_document(&html);
    assert_sound("flatness of three kinds", &html);
    assert_eq!(selected(&page, "#kinds table").len(), 3);
    // Two charts of each kind: one axis could not name two lengths.
    assert_eq!(selected(&page, "figure svg").len(), 6);
    for text in [
        "quarter: measured with average sphere of 0.25, 1 restarts instead of sphere of 0.5, 1 \
         restarts.",
        "longer: measured with length of the adversarial direction 0.05 instead of 0.025.",
        "of 3 kinds",
        "sphere of ξ = 0.25",
        "sphere of ξ = 0.5",
    ] {
        assert!(html.contains(text) && markdown.contains(text), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    report.write(folder.path()).unwrap();
    let csv = |name: &str| std::fs::read_to_string(folder.path().join("data").join(name)).unwrap();
    let curves = |name: &str| csv(name).lines().count() / 3;
    // The first and the last are of one kind.
    assert_eq!(curves("landscape-random-1.csv"), 2);
    assert!(csv("landscape-adversarial-1.csv").contains("0.025"));
    assert!(csv("landscape-adversarial-3.csv").contains("0.05"));
}

#[test]
fn nothing_and_no_numbers_are_refused() {
    let none = FlatnessReport::new(FlatnessRecords::new(Vec::new()));
    assert!(matches!(none, Err(ReportError::NoRecords)));
    let broken = FlatnessRecord { reference: f64::NAN, ..record("m", 0.5) };
    let error = FlatnessReport::new(FlatnessRecords::new(vec![broken])).unwrap_err().to_string();
    assert_eq!(error, "m: robust loss: got NaN, wanted a finite number");
}
