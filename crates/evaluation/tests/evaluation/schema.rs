//! The JSON schemas in the repository match the types, and hold for every record in the repository.

use crate::threshold::{Threshold, batches, suite};
use cni_evaluation::{Evaluated, Evaluation, Record, Row};
use schemars::{Schema, schema_for};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn check(name: &str, schema: Schema) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("CNI_WRITE_SCHEMA").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{name} is not what the types say: set CNI_WRITE_SCHEMA=1 and test once more"
    );
    jsonschema::validator_for(&serde_json::from_str(&committed).unwrap()).unwrap()
}

fn folders(of: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        if path.join("rows.jsonl").exists() {
            all.push(path.clone());
        }
        if path.is_dir() {
            folders(&path, all);
        }
    }
}

#[test]
fn schemas_hold_for_records_of_every_version() {
    let record = check("record.schema.json", schema_for!(Record));
    let row = check("row.schema.json", schema_for!(Row));
    let new = tempfile::tempdir().unwrap();
    let evaluation = Evaluation::new(suite(2)).unwrap();
    let evaluated: Evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(6, 6)).unwrap();
    evaluated.save(new.path().join("new")).unwrap();
    let mut all = Vec::new();
    folders(new.path(), &mut all);
    folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results"), &mut all);
    assert!(all.len() > 3);
    let parse = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    for folder in all {
        let at = folder.display();
        let value = parse(&fs::read_to_string(folder.join("record.json")).unwrap());
        record.validate(&value).unwrap_or_else(|error| panic!("{at}: {error}"));
        for line in fs::read_to_string(folder.join("rows.jsonl")).unwrap().lines() {
            row.validate(&parse(line)).unwrap_or_else(|error| panic!("{at}: {error}"));
        }
    }
    // The schema refuses a broken record.
    let mut broken = serde_json::to_value(&evaluated.record).unwrap();
    broken["clean"]["accuracy"] = "high".into();
    assert!(record.validate(&broken).is_err());
}
