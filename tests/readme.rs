//! The tables of the README are those of the committed records.

use cni_burn::evaluation::{Record, Verdict, table};
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
    for model in ["at", "pni", "cni"] {
        let file = root().join(format!("results/cifar10-cpu/{model}/record.json"));
        let record = Record::read(&file).unwrap();
        assert_eq!(record.checks.len(), 24);
        let number = |verdict| record.checks.iter().filter(|c| c.verdict == verdict).count();
        let numbers =
            [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::Inconclusive, Verdict::Skipped]
                .map(|verdict| number(verdict).to_string());
        let row = format!("| {} | {} |", record.model.name, numbers.join(" | "));
        assert!(readme.contains(&row), "README.md lacks: {row}");
        // What passed could have failed.
        for check in record.checks.iter().filter(|check| check.verdict == Verdict::Pass) {
            let visible = check.at_most.or(check.detectable).unwrap_or(0.0);
            assert!(check.bound.is_none_or(|bound| visible <= bound), "{model}: {}", check.name);
        }
        // What warned is told.
        for check in record.checks.iter().filter(|check| check.verdict == Verdict::Warn) {
            let told = format!("`{}` warns: {}", check.name, check.measured);
            assert!(words.contains(&told), "{model}: README.md lacks: {told}");
        }
    }
}

fn json(path: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(root().join(path)).unwrap()).unwrap()
}

/// The robust accuracy of both sides and their agreement, by record and attack.
fn parity_table(titles: [&str; 2], records: &[serde_json::Value; 2], attacks: &[&str]) -> String {
    let [first, second] = titles;
    let mut table = format!("{:<20}  {first:<22}  {second}\n{:<20}", "", "robust accuracy, %");
    table += "    ours  theirs    same    ours  theirs    same\n";
    for &attack in attacks {
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
    table
}

#[test]
fn the_comparison_with_the_reference_attacks_is_that_of_its_records() {
    let [mut adversarial, plain, suite] = ["at", "plain", "at-standard"]
        .map(|name| json(&format!("results/attacks/parity-{name}.json")));
    adversarial["attacks"]["standard"] = suite["attacks"]["standard"].clone();
    let records = [adversarial, plain];
    let attacks = ["fgsm", "pgd20", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square", "standard"];
    let table = parity_table(["adversarial, 8/255", "plain, 1/255"], &records, &attacks);
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
fn the_comparison_in_l1_and_l2_is_that_of_its_records() {
    let records = ["l2", "l1"].map(|norm| json(&format!("results/attacks/parity-at-{norm}.json")));
    let attacks = ["fgsm", "pgd20", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"];
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = parity_table(["L2, 0.5", "L1, 12"], &records, &attacks);
    assert!(readme.contains(&table), "README.md lacks this table:\n{table}");
    for record in &records {
        let clean = format!("({:.1} % clean)", 100.0 * record["clean"]["ours"].as_f64().unwrap());
        assert!(readme.contains(&clean), "README.md lacks: {clean}");
    }
}

#[test]
fn the_speeds_of_the_attacks_are_those_of_their_records() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for (file, attack, name) in [
        ("speed", "pgd20", "PGD-20"),
        ("speed", "apgd_ce", "APGD-CE, 100 iterations"),
        ("speed", "square", "Square, 1000 queries"),
        ("speed-standard", "standard", "AutoAttack's `standard`"),
    ] {
        let record = json(&format!("results/attacks/{file}.json"));
        let timing = &record["attacks"][attack];
        let of = |side: &str, field: &str| timing[side][field].as_f64().unwrap();
        let line = format!(
            "| {name} | {} | {:.1} | {:.1} | {:.1} | {:.1} % | {:.1} % |",
            timing["attacked"],
            of("theirs", "ratio"),
            of("theirs", "ratio_per_pass"),
            of("theirs_channels_last", "ratio_per_pass"),
            100.0 * of("ours", "share_outside"),
            100.0 * of("theirs", "share_outside"),
        );
        assert!(readme.contains(&line), "README.md lacks: {line}");
    }
}

#[test]
fn the_speeds_are_those_of_their_record() {
    let record = json("results/bench-cpu.json");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let ratio = |task: &str, ours: &str, peer: &str| {
        let ratios = record["tasks"][task]["ratios"].as_array().unwrap();
        let found = ratios.iter().find(|ratio| ratio["ours"] == ours && ratio["peer"] == peer);
        found.unwrap_or_else(|| panic!("{task}: no {ours} against {peer}"))["of_medians"]
            .as_f64()
            .unwrap()
    };
    let step = |ours, peer| ratio("adversarial-step", ours, peer);
    let best = |ours: &str| {
        let rows = record["tasks"]["adversarial-step"]["against_best"].as_array().unwrap();
        rows.iter().find(|row| row["ours"] == ours).unwrap()["of_medians"].as_f64().unwrap()
    };
    let memory = |at: usize| record["tasks"]["memory"]["peers"][at]["ratio"].as_f64().unwrap();
    let profile =
        |at: usize| record["tasks"]["profile"]["burn_ratios"][at]["ratio"].as_f64().unwrap();
    let rows = [
        ("against `torch.randn`", ratio("draws", "host_normal", "torch.randn")),
        (
            "against `w + a * torch.randn_like(w)`",
            ratio("noisy-weight", "noisy weight", "w + a * torch.randn_like(w)"),
        ),
        ("step, against PyTorch by its defaults", step("ours", "PyTorch")),
        (
            "step, against the published code's way of attacking",
            step("ours", "PyTorch, published code"),
        ),
        ("step, against channels-last memory", step("ours", "PyTorch, channels-last")),
        ("step, against channels-last, compiled", step("ours", "PyTorch, channels-last, compiled")),
        (
            "step in bf16, against channels-last, bf16",
            step("ours, bf16", "PyTorch, channels-last, bf16"),
        ),
        (
            "step in bf16, against channels-last, bf16, compiled",
            step("ours, bf16", "PyTorch, channels-last, bf16, compiled"),
        ),
        ("step in bf16, against the fastest of these", best("ours, bf16")),
        ("peak memory of a step, PyTorch by its defaults", memory(0)),
        ("peak memory of a step, channels-last memory", memory(2)),
    ];
    for (what, ratio) in rows {
        let row = format!("{what} | {ratio:.1} |");
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let noise = record["tasks"]["noise-share"]["ours_noise_alone"].as_f64().unwrap();
    for text in [
        format!("The noise by itself costs {:.1} %", noise * 100.0),
        format!("convolutions take {:.1} times", profile(0)),
        format!("what follows them {:.1} times", profile(1)),
        format!("step in bf16 takes {:.2} times as long", bf16_by_full(&record)),
        format!(
            "and {:.2} times the memory",
            record["tasks"]["memory"]["bf16_by_full"].as_f64().unwrap()
        ),
    ] {
        assert!(words.contains(&text), "README.md lacks: {text}");
    }
}

#[test]
fn the_memory_over_many_steps_is_flat_in_its_record() {
    let growth = json("results/bench-growth.json")["tasks"]["soak"]["growth"].as_f64().unwrap();
    assert!(growth < 1.05, "{growth}");
}

/// Our step's seconds in bf16 by those in full precision.
fn bf16_by_full(record: &serde_json::Value) -> f64 {
    let timings = record["tasks"]["adversarial-step"]["timings"].as_array().unwrap();
    let of = |name: &str| {
        timings.iter().find(|timing| timing["name"] == name).unwrap()["median"].as_f64().unwrap()
    };
    of("ours, bf16") / of("ours")
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

#[test]
fn the_accuracies_in_half_precision_are_those_of_their_records() {
    let [half, full] = ["bf16", "full"].map(|precision| {
        let record =
            Record::read(root().join(format!("results/precision/{precision}/record.json")));
        let record = record.unwrap();
        assert_eq!(record.model.precision.is_some(), precision == "bf16");
        let pgd = record.attacks.iter().find(|attack| attack.name == "PGD-7").unwrap();
        let of = |estimate: f64| format!("{:.1}", 100.0 * estimate);
        [of(pgd.robust.one_shot.accuracy), of(record.clean.one_shot.accuracy)]
    });
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = format!(
        "has {} % under PGD-7 in place of {} %, and {} % clean in place of {} %",
        half[0], full[0], half[1], full[1]
    );
    assert!(words.contains(&text), "README.md lacks: {text}");
}

#[test]
fn the_numbers_of_other_machines_are_those_of_their_records() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let seconds = |record: &serde_json::Value, task: &str, name: &str| {
        let timings = record["tasks"][task]["timings"].as_array().unwrap();
        let timing = timings.iter().find(|timing| timing["name"] == name).unwrap();
        timing["median"].as_f64().unwrap()
    };
    let parts = json("results/amx/parts.json");
    let of_step = |ours: &str| parts["tasks"]["parts"][ours]["seconds"].as_f64().unwrap();
    let (forward, step) = (json("results/amx/forward.json"), json("results/amx/step.json"));
    let judged = seconds(&forward, "forward", "ours, bf16");
    let best = &forward["tasks"]["forward"]["against_best"][1];
    assert_eq!(best["ours"], "ours, bf16");
    let peer = seconds(&step, "adversarial-step", "PyTorch, channels-last, bf16");
    let (gpu, all) = (json("results/gpu/cuda.json"), json("results/gpu/backends.json"));
    let trainings = json("results/half-precision.json");
    let accuracies = [0, 1].map(|run| {
        let run = &trainings["trainings"][run];
        ["clean", "pgd_10"].map(|of| format!("{:.1} %", 100.0 * run[of].as_f64().unwrap()))
    });
    for text in [
        format!(
            "the step takes {:.2} s in bf16 and {:.2} s in full precision",
            of_step("ours, bf16"),
            of_step("ours")
        ),
        format!(
            "a frozen forward pass {:.0} ms, {:.1} times as fast as the fastest",
            1e3 * judged,
            best["of_medians"].as_f64().unwrap()
        ),
        format!(
            "in bf16 was {:.1} times as fast",
            peer / seconds(&step, "adversarial-step", "ours, bf16")
        ),
        format!(
            "takes {:.2} s on the H200 by CUDA and {:.2} s by Vulkan",
            seconds(&gpu, "backends", "cuda"),
            seconds(&all, "backends", "vulkan")
        ),
        format!(
            "PyTorch takes {:.2} s, or {:.2} s compiled",
            seconds(&gpu, "backends", "PyTorch, CUDA"),
            seconds(&gpu, "backends", "PyTorch, CUDA, compiled")
        ),
        format!(
            "{} clean and {} under PGD-10 in full precision, {} and {} in bf16",
            accuracies[0][0], accuracies[0][1], accuracies[1][0], accuracies[1][1]
        ),
    ] {
        assert!(words.contains(&text), "README.md lacks: {text}");
    }
}
