//! Records on disk. One file, because all tests are about one format.

use crate::threshold::{EPSILON, Threshold, batches, suite};
use cni_attacks::{Attack, Pgd, Threat};
use cni_evaluation::{
    DataCard, Evaluated, Evaluation, EvaluationError, ModelCard, Record, SCHEMA, Verdict, compare,
    table,
};
use cni_noise::Key;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_record_survives_its_file_and_leaves_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let evaluation = Evaluation::new(suite(1)).unwrap().with_key(Key::new(9)).with_cards(
        ModelCard { name: "threshold".into(), noise: "none".into(), ..ModelCard::default() },
        DataCard { name: "gray".into(), fingerprint: "00".into(), ..DataCard::default() },
    );
    let evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap();
    evaluated.save(folder.path().join("new")).unwrap();
    evaluated.save(folder.path().join("new")).unwrap();
    let text = std::fs::read_to_string(folder.path().join("new/record.json")).unwrap();
    let read: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(read, evaluated.record);
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 4);
    let rows = std::fs::read_to_string(folder.path().join("new/rows.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 8);
    let text = table(&[&read]);
    assert!(text.starts_with("model ") && text.contains("threshold") && text.lines().count() == 2);
}

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results")
}

#[test]
fn what_is_read_back_is_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let evaluation = Evaluation::new(suite(2)).unwrap().with_gallery(3);
    let evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(9, 2)).unwrap();
    assert_eq!(evaluated.gallery.len(), 3);
    evaluated.save(folder.path()).unwrap();
    assert_eq!(Evaluated::read(folder.path()).unwrap(), evaluated);
    let example = &evaluated.gallery[2];
    assert_eq!((example.index, example.shape, example.clean.len()), (2, [1, 2, 2], 4));
    let moved = example.clean.iter().zip(&example.adversarial).map(|(a, b)| (a - b).abs());
    let farthest = evaluated.rows[2].attacks.iter().map(|a| a.distance).fold(0.0, f64::max);
    assert!(f64::from(moved.fold(0.0, f32::max)) <= farthest + 1e-7);
}

/// Records that the first version wrote.
#[test]
fn records_of_the_first_version_are_read() {
    let records = results().join("../tests/reference/data/records-1");
    for folder in ["full", "bf16"] {
        let evaluated = Evaluated::read(records.join(folder)).unwrap();
        let Record { schema, threat, clean, .. } = &evaluated.record;
        assert_eq!((*schema, threat.threats.len()), (1, 1), "{folder}");
        assert!(clean.vote.is_none() && evaluated.gallery.is_empty(), "{folder}");
    }
}

#[test]
fn a_pass_of_a_record_that_does_not_say_what_it_could_have_seen_is_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap().record;
    let mut record = serde_json::to_value(&record).unwrap();
    let checks = ["stronger-attack", "black-box", "logits"].map(|name| {
        serde_json::json!({
            "name": name, "verdict": "pass", "measured": "nothing", "values": {},
            "raised_if": "", "advice": "", "examples": 16,
            "passes": { "forwards": 0, "backwards": 0 }, "seconds": 0.0,
        })
    });
    record["checks"] = checks.to_vec().into();
    let mut verdicts = |schema: u32| {
        record["schema"] = schema.into();
        fs::write(&path, record.to_string()).unwrap();
        let record = Record::read(&path).unwrap();
        record.checks.iter().map(|check| check.verdict).collect::<Vec<_>>()
    };
    let (pass, open) = (Verdict::Pass, Verdict::Inconclusive);
    assert_eq!(verdicts(2), [open, open, pass]);
    assert_eq!(verdicts(3), [pass; 3]);
}

#[test]
fn a_record_of_a_later_version_or_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let evaluation = Evaluation::new(suite(1)).unwrap();
    evaluation.run(&Threshold { sigma: 0.1 }, batches(4, 4)).unwrap().save(at).unwrap();
    let error = || Evaluated::read(at).unwrap_err().to_string();
    let file = |name: &str| at.join(name);
    // A record of an early version has no checksums, and is read without them.
    fs::remove_file(at.join("manifest.json")).unwrap();
    let change = |name: &str, f: &dyn Fn(String) -> String| {
        let before = fs::read_to_string(file(name)).unwrap();
        fs::write(file(name), f(before.clone())).unwrap();
        let error = error();
        fs::write(file(name), before).unwrap();
        error
    };
    let text = format!("\"schema\": {SCHEMA}");
    let later = change("record.json", &|s| s.replace(&text, "\"schema\": 99"));
    assert!(later.contains("record.json: schema: got 99, wanted 1 to 4"), "{later}");
    let half = change("record.json", &|s| s[..s.find("\"attacks\"").unwrap()].to_string());
    assert!(half.contains("record.json:") && half.contains("EOF"), "{half}");
    let none = change("record.json", &|_| "[]".to_string());
    assert!(none.contains("record.json:1"), "{none}");
    let fewer = change("rows.jsonl", &|s| s.lines().skip(1).map(|l| format!("{l}\n")).collect());
    assert!(fewer.ends_with("record.json: rows: got 3, wanted 4"), "{fewer}");
    let torn = change("rows.jsonl", &|s| s[..s.len() - 9].to_string());
    assert!(torn.contains("rows.jsonl:4:"), "{torn}");
    let other = change("rows.jsonl", &|s| s.replace("\"attacks\":[{", "\"attacks\":[],\"x\":[{"));
    assert!(other.ends_with("record.json: attacks of a row: got 0, wanted 3"), "{other}");
    let sure = change("record.json", &|s| s.replace("\"confidence\": 0.95", "\"confidence\": 2"));
    assert!(sure.ends_with("confidence: got 2, wanted a number between 0 and 1"), "{sure}");
    let many = change("rows.jsonl", &|s| s.replace("\"worst_case\":", "\"worst_case\":9"));
    assert!(many.contains("correct draws of example 0: got 9"), "{many}");
    let none = change("record.json", &|s| s.replace("\"draws\": 20", "\"draws\": 0"));
    assert!(none.ends_with("draws: got 0, wanted at least 1"), "{none}");
    let bytes = fs::read(file("gallery.safetensors")).unwrap();
    fs::write(file("gallery.safetensors"), &bytes[..bytes.len() - 1]).unwrap();
    assert!(error().contains("gallery.safetensors: "), "{}", error());
    fs::remove_file(file("gallery.safetensors")).unwrap();
    assert!(Evaluated::read(at).unwrap().gallery.is_empty());
    fs::remove_file(file("record.json")).unwrap();
    assert!(matches!(Evaluated::read(at), Err(EvaluationError::Io { .. })));
}

/// Each byte of each file is changed by one bit, one after the other.
#[test]
fn a_bit_flipped_in_any_file_is_an_error_and_never_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let evaluation = Evaluation::new(suite(1)).unwrap().with_gallery(2);
    evaluation.run(&Threshold { sigma: 0.0 }, batches(4, 4)).unwrap().save(at).unwrap();
    for name in ["record.json", "rows.jsonl", "gallery.safetensors"] {
        let whole = fs::read(at.join(name)).unwrap();
        for byte in (0..whole.len()).step_by(whole.len().div_ceil(40)) {
            let mut changed = whole.clone();
            changed[byte] ^= 1 << (byte % 8);
            fs::write(at.join(name), &changed).unwrap();
            let error = Evaluated::read(at).unwrap_err();
            assert!(matches!(&error, EvaluationError::Checksum { .. }), "{name} {byte}: {error}");
        }
        fs::write(at.join(name), &whole).unwrap();
    }
    assert!(Evaluated::read(at).is_ok());
    assert!(Record::read(at.join("record.json")).is_ok());
}

#[test]
fn a_folder_holds_one_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let run = |gallery| {
        let evaluation = Evaluation::new(suite(1)).unwrap().with_gallery(gallery);
        evaluation.run(&Threshold { sigma: 0.0 }, batches(6, 6)).unwrap()
    };
    run(4).save(at).unwrap();
    fs::write(at.join("notes.md"), "mine").unwrap();
    assert!(at.join("gallery.safetensors").exists());
    run(0).save(at).unwrap();
    assert!(!at.join("gallery.safetensors").exists() && at.join("notes.md").exists());
    assert!(Evaluated::read(at).unwrap().gallery.is_empty());
}

/// Hashes of settings are those of their canonical form, so the hashes in older records still
/// match.
#[test]
fn the_hashes_of_older_records_are_those_of_their_settings_today() {
    let mut seen = 0;
    for folder in ["cifar10-cpu/at", "cifar10-cpu/cni", "../tests/reference/data/records-1/full"] {
        let record = Record::read(results().join(folder).join("record.json")).unwrap();
        for attack in &record.attacks {
            let sorted: std::collections::BTreeMap<String, serde_json::Value> =
                serde_json::from_value(attack.spec.clone()).unwrap();
            let text = serde_json::to_string(&sorted).unwrap();
            use sha2::{Digest, Sha256};
            let hash: String =
                Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, attack.hash, "{folder}: {}", attack.name);
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}

/// An evaluation hashes its data if no card does. A changed pixel or label changes the hash, and
/// the split into batches does not.
#[test]
fn data_without_a_fingerprint_is_told_apart_by_its_hash() {
    let run = |size: usize, change: f64, flip: bool| {
        let data = batches(8, size).into_iter().map(|(x, y)| {
            let y = if flip { y.clone().neg() + 1 } else { y };
            (x + change, y)
        });
        Evaluation::new(suite(1)).unwrap().run(&Threshold { sigma: 0.0 }, data).unwrap()
    };
    let one = run(8, 0.0, false);
    assert_eq!(one.record.data.fingerprint, run(3, 0.0, false).record.data.fingerprint);
    assert!(compare(&one, &run(3, 0.0, false)).is_ok());
    for other in [run(8, 1e-3, false), run(8, 0.0, true)] {
        let error = compare(&one, &other).unwrap_err().to_string();
        assert!(error.starts_with("data.fingerprint: got "), "{error}");
    }
}

/// The error names the reason why two records cannot be compared, with both values.
#[test]
fn records_of_different_things_are_not_compared() {
    let run = |threat: Threat, name: &str, confidence: f64| {
        let attack: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::fgsm(threat))];
        let data = DataCard { name: name.into(), fingerprint: "00".into(), ..DataCard::default() };
        let evaluation = Evaluation::new(attack).unwrap().with_cards(ModelCard::default(), data);
        let evaluation = evaluation.with_confidence(confidence).unwrap();
        evaluation.run(&Threshold { sigma: 0.0 }, batches(8, 8)).unwrap()
    };
    let threat = Threat::linf(EPSILON).unwrap();
    let one = run(threat, "gray", 0.95);
    assert_eq!(compare(&one, &run(threat, "gray", 0.95)).unwrap().clean.accuracy, 0.0);
    let refused = |b: &Evaluated, message: &str| {
        assert_eq!(compare(&one, b).unwrap_err().to_string(), message);
    };
    refused(
        &run(threat, "colored", 0.95),
        "data.name: got gray and colored, wanted records of equal data.name",
    );
    let l2 = Threat::l2(0.5).unwrap();
    refused(
        &run(l2, "gray", 0.95),
        "threat.threats: got Linf 0.1 and L2 0.5, wanted records of equal threat.threats",
    );
    refused(
        &run(threat, "gray", 0.9),
        "confidence: got 0.95 and 0.9, wanted records of equal confidence",
    );
    let mut other = one.clone();
    other.record.data.fingerprint = "01".into();
    refused(&other, "data.fingerprint: got 00 and 01, wanted records of equal data.fingerprint");
    // Two records without fingerprints of their data may be of different data.
    let silent = |of: &Evaluated| {
        let mut of = of.clone();
        of.record.data.fingerprint.clear();
        of
    };
    let error = compare(&silent(&one), &silent(&one)).unwrap_err().to_string();
    assert!(error.starts_with("data.fingerprint: got nothing in both records"), "{error}");
    let mut other = one.clone();
    other.rows[3].label = 1 - other.rows[3].label;
    let [a, b] = [&one, &other].map(|of| of.rows[3].label);
    refused(
        &other,
        &format!("label: got {a} of example 3 and {b} of example 3, wanted records of equal label"),
    );
}
