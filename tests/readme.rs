//! The tables of the README are those of the committed records.

use cni_burn::attacks::evaluation::{Record, table};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn assert_shown(records: &[Record]) {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = table(&records.iter().collect::<Vec<_>>());
    assert!(readme.contains(&table), "README.md lacks this table:\n{table}");
}

#[test]
fn the_quickstart_table_is_that_of_its_record() {
    let text = std::fs::read(root().join("results/quickstart/record.json")).unwrap();
    assert_shown(&serde_json::from_slice::<Vec<Record>>(&text).unwrap());
}

#[test]
fn the_cifar_table_is_that_of_its_records() {
    let records = ["at", "pni", "cni"].map(|model| {
        let file = root().join(format!("results/cifar10-cpu/{model}/record.json"));
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    });
    assert_shown(&records);
}
