//! Accuracies of evaluations and trainings.

use super::docs::{assert_page_says, assert_page_shows};
use super::{assert_said, assert_shown, json, root};
use cni_burn::evaluation::{Epoch, Record, Verdict, table};

fn assert_table(records: &[Record]) {
    assert_shown(&table(&records.iter().collect::<Vec<_>>()));
}

#[test]
fn the_quickstart_table_is_that_of_its_record() {
    let text = std::fs::read(root().join("results/quickstart/record.json")).unwrap();
    assert_table(&serde_json::from_slice::<Vec<Record>>(&text).unwrap());
}

#[test]
fn the_ablation_on_digits_is_that_of_its_record() {
    let record = json("results/ablations/digits.json");
    let worst = |name: &str| {
        let arms = record["arms"].as_array().unwrap();
        let arm = arms.iter().find(|arm| arm["name"] == name).unwrap();
        let of = |field: &str| 100.0 * arm["robust"][field].as_f64().unwrap();
        assert_eq!(arm["robust"]["seeds"], 3);
        format!("{:.1} ± {:.1} %", of("mean"), of("sd"))
    };
    for (arm, said) in [
        ("no noise", "without noise"),
        ("PNI-W", "with PNI-W"),
        ("CNI-W rank=5 scale=relative", "with CNI-W of rank 5 in the relative scale"),
        ("CNI-W rank=5 scale=reference", "in that of the reference"),
    ] {
        assert_said(&format!("{} {said}", worst(arm)));
    }
}

#[test]
fn a_run_of_the_default_recipe_reached_what_its_record_says() {
    let record = Record::read(root().join("results/fast-noise/record.json")).unwrap();
    let [clean, worst] = [&record.clean, record.worst_case.as_ref().unwrap()];
    let [clean, worst] = [clean, worst].map(|accuracy| &accuracy.one_shot);
    assert!(record.worst_case_is_evidence());
    assert_said(&format!(
        "{:.1} % clean and {:.1} % [{:.1}, {:.1}] in the worst case of {} test images",
        100.0 * clean.accuracy,
        100.0 * worst.accuracy,
        100.0 * worst.low,
        100.0 * worst.high,
        record.examples
    ));
    // How long it took is that of the same training.
    let training = json("results/fast-noise/training.json");
    let losses: Vec<_> = (training["history"].as_array().unwrap().iter())
        .map(|epoch| epoch["validation"]["robust_loss"].as_f64().unwrap())
        .collect();
    let of_record = |epoch: &Epoch| epoch.scores["validation robust loss"];
    assert_eq!(losses, record.model.history.iter().map(of_record).collect::<Vec<_>>());
    let minutes = training["seconds"].as_f64().unwrap() / 60.0;
    assert_said(&format!("on CIFAR-10 take {minutes:.0} min on two cores of a Xeon"));
}

#[test]
fn the_verdicts_of_the_report_are_those_of_the_records() {
    for model in ["at", "pni", "cni"] {
        let file = root().join(format!("results/cifar10-cpu/{model}/record.json"));
        let record = Record::read(&file).unwrap();
        assert_eq!(record.checks.len(), 24);
        let number = |verdict| record.checks.iter().filter(|c| c.verdict == verdict).count();
        let numbers =
            [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::Inconclusive, Verdict::Skipped]
                .map(|verdict| number(verdict).to_string());
        let row = format!("| {} | {} |", record.model.name, numbers.join(" | "));
        assert_page_shows("examples.md", &row);
        // What passed could have failed.
        for check in record.checks.iter().filter(|check| check.verdict == Verdict::Pass) {
            let visible = check.at_most.or(check.detectable).unwrap_or(0.0);
            assert!(check.bound.is_none_or(|bound| visible <= bound), "{model}: {}", check.name);
        }
        // What warned is told.
        for check in record.checks.iter().filter(|check| check.verdict == Verdict::Warn) {
            let told = format!("`{}` warns: {}", check.name, check.measured);
            assert_page_says("examples.md", &told);
        }
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
    let text = format!(
        "has {} % under PGD-7 in place of {} %, and {} % clean in place of {} %",
        half[0], full[0], half[1], full[1]
    );
    assert_page_says("precision.md", &text);
}

#[test]
fn what_attacks_in_both_precisions_leave_is_that_of_their_record() {
    let attacks = &json("results/attacks/precision.json")["attacks"];
    let left = ["bf16", "full"].map(|precision| {
        ["pgd20", "apgd_ce", "apgd_dlr"].map(|attack| {
            let left = attacks[attack][precision].as_f64().unwrap();
            assert!(attacks[attack]["difference_points"].as_f64().unwrap().abs() < 0.51);
            format!("{:.1}", 100.0 * left)
        })
    });
    let [[a, b, c], [d, e, f]] = left;
    assert_page_says("precision.md", &format!("in bf16 leave {a}, {b} and {c} %"));
    assert_page_says("precision.md", &format!("in full precision {d}, {e} and {f} %"));
}
