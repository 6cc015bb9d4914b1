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

#[test]
fn the_speeds_are_those_of_their_record() {
    let text = std::fs::read(root().join("results/bench-cpu.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown = [
        ("against `torch.randn` | ", "/tasks/draws/ratios/0/of_medians", " |"),
        ("`w + a * torch.randn_like(w)` | ", "/tasks/noisy-weight/ratios/0/of_medians", " |"),
        ("batch 128 | ", "/tasks/adversarial-step/ratios/0/of_medians", " |"),
        ("way of attacking | ", "/tasks/adversarial-step/ratios/1/of_medians", " |"),
        ("peak memory of that step | ", "/tasks/memory/ratio", " |"),
        ("convolutions take ", "/tasks/profile/burn_ratios/0/ratio", " times"),
        ("what follows them ", "/tasks/profile/burn_ratios/1/ratio", " times"),
    ];
    let shown = shown.map(|(before, pointer, after)| {
        format!("{before}{:.1}{after}", record.pointer(pointer).unwrap().as_f64().unwrap())
    });
    let noise = &record["tasks"]["noise-share"]["ours_noise_alone"];
    let noise = format!("The noise by itself costs {:.1} %", noise.as_f64().unwrap() * 100.0);
    for text in shown.iter().chain([&noise]) {
        assert!(readme.contains(text), "README.md lacks: {text}");
    }
}
