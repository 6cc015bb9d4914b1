//! The page on noise under four protocols of attack, and its table in the README: all numbers are
//! those of the runs' records.

use super::chapters::{assert_page_says, percent, record};
use super::docs::page;
use super::{assert_said, assert_shown, json, root};
use cni_burn::prelude::Record;
use serde_json::Value;

const PAGE: &str = "protocols.md";
const RUNS: &str = "results/ablations/white-and-colored";
const ATTACKS: [&str; 6] = [
    "PGD-20-from-itself-held",
    "PGD-7",
    "PGD-20",
    "EOT-PGD-20x10",
    "EOT-APGD-CE-20x10",
    "EOT-APGD-DLR-20x10",
];

// Columns of a run.
const CLEAN: usize = 0;
const FROZEN: usize = 1;
const PGD_7: usize = 2;
const AWARE: usize = 5;
const WORST: usize = 7;

/// The 97.5 % quantile of Student's law with two degrees of freedom, those of three seeds.
const STUDENT: f64 = 4.3027;

/// The accuracies of the runs of an arm, one row a seed: clean, under each attack, and in the worst
/// case.
fn runs(arm: &str) -> Vec<Vec<f64>> {
    let folder = format!("{RUNS}/runs/{}", arm.replace(", ", "--").replace(' ', "-"));
    let row = |seed: usize| {
        let record: Record = record(&format!("{folder}/seed-{seed}/evaluation/record.json"));
        let names: Vec<_> = record.attacks.iter().map(|attack| attack.name.as_str()).collect();
        assert_eq!(names, ATTACKS, "{arm}");
        let attacks = record.attacks.iter().map(|attack| attack.robust.one_shot.accuracy);
        let worst = record.worst_case.as_ref().unwrap().one_shot.accuracy;
        [record.clean.one_shot.accuracy].into_iter().chain(attacks).chain([worst]).collect()
    };
    (1..=3).map(row).collect()
}

/// Mean and standard deviation over the seeds.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (square / (count - 1.0)).sqrt())
}

fn spread(values: impl IntoIterator<Item = f64>) -> String {
    let (mean, sd) = moments(&Vec::from_iter(values));
    format!("{} ± {}", percent(mean), percent(sd))
}

fn signed(values: [f64; 3]) -> String {
    let [mean, low, high] = values.map(|value| 100.0 * value);
    format!("{mean:+.1} [{low:+.1}, {high:+.1}]")
}

/// The difference of two arms in a column, paired by seed, with its 95 % interval.
fn difference(arm: &[Vec<f64>], baseline: &[Vec<f64>], column: usize) -> [f64; 3] {
    let differences: Vec<_> =
        arm.iter().zip(baseline).map(|(arm, plain)| arm[column] - plain[column]).collect();
    let (mean, sd) = moments(&differences);
    let half = STUDENT * sd / (differences.len() as f64).sqrt();
    [mean, mean - half, mean + half]
}

/// A number with a comma after its thousands.
fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

fn assert_row(row: &str) {
    assert!(page(PAGE).contains(row), "{PAGE} lacks: {row}");
}

#[test]
fn every_arm_stands_under_every_protocol_as_its_runs_do() {
    let record = json(&format!("{RUNS}.json"));
    for arm in record["arms"].as_array().unwrap() {
        let name = arm["name"].as_str().unwrap();
        let runs = runs(name);
        let worst: Vec<_> =
            arm["runs"].as_array().unwrap().iter().map(|run| run["robust"].as_f64()).collect();
        let same: Vec<_> = runs.iter().map(|run| Some(run[WORST])).collect();
        assert_eq!(worst, same, "{name}: the ablation is of other runs");
        let column = |column: usize| spread(runs.iter().map(|run| run[column]));
        let cells: Vec<_> = (0..=WORST).map(column).collect();
        assert_row(&format!("| {name} | {} |", cells.join(" | ")));
        assert_row(&format!("| {name} | {} |", spread(runs.iter().map(|r| r[FROZEN] - r[AWARE]))));
        let cells = [CLEAN, FROZEN, PGD_7, AWARE, WORST].map(column);
        assert_shown(&format!("| {name} | {} |", cells.join(" | ")));
    }
}

#[test]
fn arms_differ_from_no_noise_as_the_records_do() {
    let record = json(&format!("{RUNS}.json"));
    let plain = runs("plain");
    for comparison in record["comparisons"].as_array().unwrap() {
        let name = comparison["arm"].as_str().unwrap();
        let runs = runs(name);
        let cells =
            [FROZEN, PGD_7, AWARE, WORST].map(|column| signed(difference(&runs, &plain, column)));
        let robust = &comparison["robust"];
        let of = |of: &str| robust[of].as_f64().unwrap();
        // The ablation's own statistics agree with these.
        assert_eq!(cells[3], signed([of("mean"), of("low"), of("high")]), "{name}");
        assert_row(&format!("| {name} | {} | {:.2} |", cells.join(" | "), of("adjusted_p")));
    }
}

#[test]
fn what_page_and_readme_say_of_the_protocols_is_so() {
    let [plain, half, pni, cni] = ["plain", "plain, half and half", "PNI-W", "CNI-W"].map(runs);
    let points = |value: f64| format!("{:.1}", 100.0 * value);
    let mean = |arm: &[Vec<f64>], column: usize| {
        moments(&arm.iter().map(|run| run[column]).collect::<Vec<_>>()).0
    };
    let [colored, low, _] = difference(&cni, &plain, FROZEN);
    let [white, ..] = difference(&pni, &plain, FROZEN);
    // The weakest protocol sees a gain that three seeds show, the strongest none.
    assert!(low > 0.0);
    for arm in [&pni, &cni] {
        for column in [AWARE, WORST] {
            let [_, low, high] = difference(arm, &plain, column);
            assert!(low < 0.0 && 0.0 < high);
        }
    }
    let said = format!("worth {} points, and white noise {}", points(colored), points(white));
    assert_page_says(PAGE, &said);
    assert_said(&said);
    let gap = mean(&pni, PGD_7) - mean(&half, PGD_7);
    let of_baseline = mean(&plain, PGD_7) - mean(&half, PGD_7);
    assert!((of_baseline / gap - 0.5).abs() < 0.1, "half of {gap}: {of_baseline}");
    // "Eleven points of clean accuracy with three of the worst case", "more than two points".
    let rounded = |value: f64| (100.0 * value).round();
    assert_eq!(rounded(difference(&half, &plain, CLEAN)[0]), 11.0);
    assert_eq!(rounded(difference(&half, &plain, WORST)[0]), -3.0);
    let (_, sd) = moments(&plain.iter().map(|run| run[WORST]).collect::<Vec<_>>());
    assert!(sd > 0.02);
    let [pni, plain, half] = [&pni, &plain, &half].map(|arm| percent(mean(arm, PGD_7)));
    assert_page_says(
        PAGE,
        &format!("{pni} % of PNI-W, {half} % of half and half, and {plain} % of plain"),
    );
    assert_page_says(PAGE, &format!("{} points between PNI-W and half and half", points(gap)));
}

/// The threat and the effort are those that the page names.
#[test]
fn the_page_names_the_effort_of_the_records() {
    let record: Value = json(&format!("{RUNS}/runs/CNI-W/seed-3/evaluation/record.json"));
    assert_eq!((record["examples"].as_u64(), record["draws"].as_u64()), (Some(1000), Some(20)));
    let seconds = |arms: [&str; 2]| {
        let of_run = |(arm, seed): (&str, usize)| {
            let file = format!("{RUNS}/runs/{arm}/seed-{seed}/evaluation/record.json");
            json(&file)["seconds"].as_f64().unwrap().round() as u64
        };
        let mut all: Vec<_> =
            arms.iter().flat_map(|arm| (1..=3).map(|seed| of_run((*arm, seed)))).collect();
        all.sort();
        [all[0], all[5]].map(thousands)
    };
    let [least, most] = seconds(["plain", "plain--half-and-half"]);
    let [noisy_least, noisy_most] = seconds(["PNI-W", "CNI-W"]);
    let said = format!(
        "took {least} to {most} s without noise, and {noisy_least} to {noisy_most} s with it"
    );
    assert_page_says(PAGE, &said);
    assert_page_says(PAGE, "The first 1,000 test images at 8/255, each by twenty draws");
    for picture in ["protocols", "frontier"] {
        assert!(root().join(format!("{RUNS}-{picture}.svg")).exists(), "{picture}");
    }
}
