//! The tables of the README are those of the committed records.

use cni_burn::attacks::evaluation::{Record, Verdict, table};
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
fn the_verdicts_in_the_readme_are_those_of_the_records() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for (model, place) in [("at", "first"), ("pni", "second"), ("cni", "third")] {
        let file = root().join(format!("results/cifar10-cpu/{model}/record.json"));
        let record = Record::read(&file).unwrap();
        assert_eq!(record.checks.len(), 24);
        let number = |verdict| record.checks.iter().filter(|c| c.verdict == verdict).count();
        let (passed, open) = (number(Verdict::Pass), number(Verdict::Inconclusive));
        let skipped = number(Verdict::Skipped);
        assert_eq!(passed + open + skipped, 24, "{model}: some warned or failed");
        assert!(skipped == 0 || !record.stochastic);
        let who = if place == "first" { "the first model" } else { &format!("the {place}") };
        let text = format!("{passed} passed and {open} were inconclusive for {who}");
        assert!(words.contains(&text), "README.md lacks: {text}");
        // What passed could have failed.
        for check in record.checks.iter().filter(|check| check.verdict == Verdict::Pass) {
            let visible = check.at_most.or(check.detectable).unwrap_or(0.0);
            assert!(check.bound.is_none_or(|bound| visible <= bound), "{model}: {}", check.name);
        }
    }
}

fn json(path: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(root().join(path)).unwrap()).unwrap()
}

#[test]
fn the_comparison_with_the_reference_attacks_is_that_of_its_records() {
    let [mut adversarial, plain, suite] = ["at", "plain", "at-standard"]
        .map(|name| json(&format!("results/attacks/parity-{name}.json")));
    adversarial["attacks"]["standard"] = suite["attacks"]["standard"].clone();
    let records = [adversarial, plain];
    let attacks = ["fgsm", "pgd20", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square", "standard"];
    let mut table = format!(
        "{:<20}  {:<22}  {}\n{:<20}",
        "", "adversarial, 8/255", "plain, 1/255", "robust accuracy, %"
    );
    table += "    ours  theirs    same    ours  theirs    same\n";
    for attack in attacks {
        let found = records.each_ref().map(|record| &record["attacks"][attack]);
        let name = found.iter().find_map(|found| found["name"].as_str()).unwrap();
        table += &format!("{name:<20}");
        for found in found {
            for field in ["ours", "theirs", "agreement"] {
                table += &match found[field].as_f64() {
                    Some(share) => format!("  {:6.1}", 100.0 * share),
                    None => format!("  {:>6}", "-"),
                };
            }
        }
        table.push('\n');
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&table), "README.md lacks this table:\n{table}");
    let norms = &records[0]["attacks"]["cw"]["norms"];
    let norms = format!(
        "median distance is {:.3} times foolbox'",
        norms["ratio_of_medians"].as_f64().unwrap()
    );
    assert!(readme.contains(&norms), "README.md lacks: {norms}");
}

#[test]
fn the_speeds_of_the_attacks_are_those_of_their_record() {
    let record = json("results/attacks/speed.json");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for (attack, name) in [
        ("pgd20", "PGD-20"),
        ("apgd_ce", "APGD-CE, 100 iterations"),
        ("square", "Square, 1000 queries"),
    ] {
        let of = |field: &str| record["attacks"][attack][field].as_f64().unwrap();
        let line = format!(
            "| {name} | {:.1} | {:.1} % | {:.1} % |",
            of("ratio"),
            100.0 * of("our_share_outside"),
            100.0 * of("their_share_outside")
        );
        assert!(readme.contains(&line), "README.md lacks: {line}");
    }
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

#[test]
fn the_cost_of_an_evaluation_is_that_of_its_record() {
    let record = json("results/evaluation.json");
    let numbers = |list: &str, field: &str| -> Vec<f64> {
        record[list].as_array().unwrap().iter().map(|of| of[field].as_f64().unwrap()).collect()
    };
    let beyond = numbers("runs", "beyond");
    let (least, most) = beyond.iter().fold((1.0f64, 0.0f64), |(a, b), &c| (a.min(c), b.max(c)));
    let (peak, examples) = (numbers("memory", "peak_bytes"), numbers("memory", "examples"));
    let mib = |at: usize| peak[at] / f64::from(1 << 20);
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!("costs {:.1} to {:.1} % of its passes' time", 100.0 * least, 100.0 * most),
        format!(
            "peak memory is {:.0} MiB for {} examples and {:.0} MiB for",
            mib(0),
            examples[0],
            mib(1)
        ),
    ] {
        assert!(words.contains(&sentence), "README.md lacks: {sentence}");
    }
}
