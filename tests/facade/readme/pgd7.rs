//! The page on networks trained by PGD-7: all numbers are those of the records and of the reports.

use super::chapters::{percent, record, thousands};
use super::difference::{Difference, differences};
use super::docs::{assert_page_says, assert_page_shows};
use super::protocols::ATTACKS;
use super::{assert_said, json};
use cni_burn::prelude::Record;

const PAGE: &str = "pgd7.md";
const RECORDS: &str = "results/ablations/pgd7";
const ARMS: [&str; 4] = ["plain", "plain, half and half", "PNI-W", "CNI-W"];
const SEEDS: [usize; 2] = [1, 2];

// Rows of differences.
const CLEAN: usize = 0;
const FROZEN: usize = 1;
const PGD_7: usize = 2;
const AWARE: usize = 5;
const WORST: usize = 7;

fn run(arm: &str, seed: usize) -> String {
    format!("{}/seed-{seed}", arm.replace(", ", "--").replace(' ', "-"))
}

fn record_of(arm: &str, seed: usize) -> Record {
    record(&format!("{RECORDS}/runs/{}/evaluation/record.json", run(arm, seed)))
}

/// The runs on the page, in its order.
fn runs() -> impl Iterator<Item = (&'static str, usize)> {
    SEEDS.into_iter().flat_map(|seed| ARMS.map(|arm| (arm, seed)))
}

/// The differences of an arm from another of the same seed, image by image.
fn less(arm: &str, baseline: &str, seed: usize) -> Vec<Difference> {
    let [arm, baseline] = [arm, baseline].map(|arm| format!("{arm}, seed {seed}"));
    differences(&format!("{RECORDS}/report-{seed}.md"), &arm, &baseline, &ATTACKS)
}

#[test]
fn every_run_stands_under_every_attack_as_its_record_does() {
    for (arm, seed) in runs() {
        let record = record_of(arm, seed);
        let names: Vec<_> = record.attacks.iter().map(|attack| attack.name.as_str()).collect();
        assert_eq!(names, ATTACKS, "{arm}");
        let draws = if record.stochastic { 20 } else { 1 };
        assert_eq!((record.examples, record.draws), (1000, draws), "{arm}");
        let attacks = record.attacks.iter().map(|attack| &attack.robust.one_shot);
        let worst = &record.worst_case.as_ref().unwrap().one_shot;
        let cells = [&record.clean.one_shot].into_iter().chain(attacks).chain([worst]);
        let cells: Vec<_> = cells.map(|of| percent(of.accuracy)).collect();
        assert_page_shows(PAGE, &format!("| {arm}, seed {seed} | {} |", cells.join(" | ")));
        let history = json(&format!("{RECORDS}/runs/{}/history.json", run(arm, seed)));
        assert_eq!(history.as_array().unwrap().len(), 10, "{arm}");
        let config = json(&format!("{RECORDS}/runs/{}/config.json", run(arm, seed)));
        assert_eq!(config["schedule"]["linear"]["by"], "step", "{arm}");
        assert_eq!(config["objective"]["attack"]["steps"], 7, "{arm}");
    }
}

#[test]
fn runs_differ_as_the_reports_say() {
    for seed in SEEDS {
        for arm in &ARMS[1..] {
            let found = less(arm, "plain", seed);
            let shown = [CLEAN, FROZEN, PGD_7, 3, 4, AWARE, 6, WORST].map(|row| &*found[row].text);
            let row = format!("| {arm}, seed {seed} | {} |", shown.join(" | "));
            assert_page_shows(PAGE, &row);
        }
    }
}

#[test]
fn what_the_page_says_of_the_differences_is_so() {
    let [pni, again] = [1, 2].map(|seed| less("PNI-W", "plain", seed));
    let (cni, color) = (less("CNI-W", "plain", 1), less("CNI-W", "PNI-W", 1));
    let text = |of: &[Difference], row: usize| of[row].text.clone();
    assert_page_says(
        PAGE,
        &format!(
            "put PNI-W {} and {} points above plain adversarial training in two seeds, and CNI-W \
             {} in one. Under EOT-APGD-CE the noise of PNI-W is worth {} and {}, that of CNI-W {}.",
            text(&pni, FROZEN),
            text(&again, FROZEN),
            text(&cni, FROZEN),
            text(&pni, AWARE),
            text(&again, AWARE),
            text(&cni, AWARE),
        ),
    );
    assert_said(&format!(
        "PNI-W stands {} and {} points above plain under EOT-APGD-CE in two seeds, and CNI-W {} in \
         one.",
        text(&pni, AWARE),
        text(&again, AWARE),
        text(&cni, AWARE),
    ));
    assert!([&pni, &again, &cni].iter().all(|of| of[AWARE].mean > 0.0 && of[FROZEN].low > 0.0));
    assert!(again[AWARE].has_zero() && cni[AWARE].has_zero() && !pni[AWARE].has_zero());
    assert_page_says(
        PAGE,
        &format!(
            "CNI-W less PNI-W is {} in the worst case and {} under EOT-APGD-CE, with {} on clean \
             images.",
            text(&color, WORST),
            text(&color, AWARE),
            text(&color, CLEAN),
        ),
    );
    assert!(color[WORST].has_zero() && color[AWARE].has_zero());
    assert_page_says(
        PAGE,
        &format!(
            "{} and {} for PNI-W, {} for CNI-W.",
            text(&pni, WORST),
            text(&again, WORST),
            text(&cni, WORST)
        ),
    );
    let share = |arm, seed, attack: usize| {
        100.0 * record_of(arm, seed).attacks[attack].robust.one_shot.accuracy
    };
    let apart = share("plain", 2, AWARE - 1) - share("plain", 1, AWARE - 1);
    assert_page_says(PAGE, &format!("stand {apart:.1} points apart under EOT-APGD-CE"));
    let most = [&pni, &again, &cni].map(|of| of[AWARE].mean).into_iter().fold(0.0, f64::max);
    assert!(most <= apart + 0.05, "{most} and {apart}");
    let [seven, half] = ["PNI-W", "plain, half and half"].map(|arm| share(arm, 1, PGD_7 - 1));
    let [aware, of_half, plain] =
        ["PNI-W", "plain, half and half", "plain"].map(|arm| share(arm, 1, AWARE - 1));
    assert_page_says(
        PAGE,
        &format!(
            "leaves {seven:.1} % of PNI-W and {half:.1} % of half and half here, and EOT-APGD-CE \
             {aware:.1} and {of_half:.1} %. Of the {:.1} points between the two under EOT-APGD-CE \
             {:.1} are the loss's and {:.1} the noise's",
            aware - of_half,
            plain - of_half,
            aware - plain,
        ),
    );
}

#[test]
fn what_attacks_on_targets_leave_is_that_of_their_records() {
    let runs = ["plain", "CNI-W"].map(|arm| {
        let targeted = record(&format!("{RECORDS}/targeted/{arm}-1/record.json"));
        let judged = record_of(arm, 1);
        assert_eq!(targeted.model.fingerprint, judged.model.fingerprint, "{arm}");
        assert_eq!(targeted.data.fingerprint, judged.data.fingerprint, "{arm}");
        targeted
    });
    let [plain, cni] = runs.each_ref().map(|record| {
        assert_eq!(record.attacks[0].name, "EOT-APGD-T-20x5");
        percent(record.attacks[0].robust.one_shot.accuracy)
    });
    let [of_plain, of_cni] = runs.each_ref().map(|record| record.model.name.as_str());
    let report = format!("{RECORDS}/report-targeted.md");
    let found = differences(&report, of_cni, of_plain, &["EOT-APGD-T-20x5"]);
    assert_page_says(
        PAGE,
        &format!(
            "leaves {plain} % of plain and {cni} % of CNI-W, of the first seed: {} points between",
            found[1].text
        ),
    );
}

#[test]
fn the_evaluations_took_what_the_page_says() {
    let seconds = |noisy: bool| {
        let all = runs().map(|(arm, seed)| record_of(arm, seed));
        let of: Vec<f64> =
            all.filter(|record| record.stochastic == noisy).map(|record| record.seconds).collect();
        let [least, most] = [
            of.iter().copied().fold(f64::INFINITY, f64::min),
            of.iter().copied().fold(0.0, f64::max),
        ];
        [least, most].map(|seconds| thousands(seconds.round() as u64))
    };
    let ([a, b], [c, d]) = (seconds(false), seconds(true));
    assert_page_says(PAGE, &format!("{a} to {b} s without noise, and {c} to {d} s with it"));
}
