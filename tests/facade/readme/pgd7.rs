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
    let [pni, cni] = ["PNI-W", "CNI-W"].map(|arm| SEEDS.map(|seed| less(arm, "plain", seed)));
    let color = SEEDS.map(|seed| less("CNI-W", "PNI-W", seed));
    let both = |of: &[Vec<Difference>; 2], row: usize| {
        of.each_ref().map(|of| of[row].text.clone()).join(" and ")
    };
    assert_page_says(
        PAGE,
        &format!(
            "put PNI-W {} points above plain adversarial training in two seeds, and CNI-W {}. \
             Under EOT-APGD-CE the noise of PNI-W is worth {}, that of CNI-W {}.",
            both(&pni, FROZEN),
            both(&cni, FROZEN),
            both(&pni, AWARE),
            both(&cni, AWARE),
        ),
    );
    assert_said(&format!(
        "PNI-W stands {} points above plain under EOT-APGD-CE in two seeds, and CNI-W {};",
        both(&pni, AWARE),
        both(&cni, AWARE),
    ));
    let all = || pni.iter().chain(&cni);
    assert!(all().all(|of| of[FROZEN].low > 0.0));
    assert!(cni.iter().all(|of| of[AWARE].has_zero()));
    assert!(cni[0][AWARE].mean > 0.0 && cni[1][AWARE].mean < 0.0);
    assert_page_says(
        PAGE,
        &format!(
            "CNI-W less PNI-W is {} on clean images, {} under EOT-APGD-CE, {} in the worst case.",
            both(&color, CLEAN),
            both(&color, AWARE),
            both(&color, WORST),
        ),
    );
    // Not above it where no interval of theirs holds zero.
    assert!(color.iter().all(|of| of[WORST].has_zero() && of[AWARE].low < 0.0));
    assert_page_says(
        PAGE,
        &format!("{} for PNI-W, {} for CNI-W.", both(&pni, WORST), both(&cni, WORST)),
    );
    assert!(all().all(|of| of[WORST].mean > of[AWARE].mean));
    let share = |arm, seed, attack: usize| {
        100.0 * record_of(arm, seed).attacks[attack].robust.one_shot.accuracy
    };
    let apart = share("plain", 2, AWARE - 1) - share("plain", 1, AWARE - 1);
    assert_page_says(PAGE, &format!("stand {apart:.1} points apart under EOT-APGD-CE"));
    let most = all().map(|of| of[AWARE].mean).fold(0.0, f64::max);
    assert!(most <= apart + 0.05, "{most} and {apart}");

    let shares = |arm, attack: usize| SEEDS.map(|seed| share(arm, seed, attack - 1));
    let said = |of: [f64; 2]| of.map(|share| format!("{share:.1}")).join(" and ");
    let [pni, half, plain] =
        ["PNI-W", "plain, half and half", "plain"].map(|arm| shares(arm, AWARE));
    let between = |of: [f64; 2], less: [f64; 2]| said([of[0] - less[0], of[1] - less[1]]);
    assert_page_says(
        PAGE,
        &format!(
            "leaves {} % of PNI-W and {} % of half and half here, and EOT-APGD-CE {} % of the one, \
             {} % of the other. Of the {} points between the two under EOT-APGD-CE {} are the \
             loss's, {} the noise's.",
            said(shares("PNI-W", PGD_7)),
            said(shares("plain, half and half", PGD_7)),
            said(pni),
            said(half),
            between(pni, half),
            between(plain, half),
            between(pni, plain),
        ),
    );
}

#[test]
fn over_both_seeds_the_worst_case_is_that_of_the_ablation() {
    let record = json(&format!("{RECORDS}/ablation.json"));
    let of = |arm: &str| {
        let mut all = record["comparisons"].as_array().unwrap().iter();
        let robust = &all.find(|found| found["arm"] == arm).unwrap()["robust"];
        assert_eq!(robust["seeds"], 2);
        let [mean, low, high] =
            ["mean", "low", "high"].map(|of| 100.0 * robust[of].as_f64().unwrap());
        format!("{mean:.1} [{low:.1}, {high:.1}]").replace('-', "−")
    };
    assert_page_says(
        PAGE,
        &format!(
            "the worst case of PNI-W is {} points above plain and that of CNI-W {} (",
            of("PNI-W"),
            of("CNI-W"),
        ),
    );
}

#[test]
fn what_attacks_on_targets_leave_is_that_of_their_records() {
    const TARGETED: &str = "EOT-APGD-T-20x5";
    let mut above = Vec::new();
    for arm in ["plain", "PNI-W", "CNI-W"] {
        let cells = SEEDS.map(|seed| {
            let [targeted, plain] = [arm, "plain"]
                .map(|arm| record(&format!("{RECORDS}/targeted/{arm}-{seed}/record.json")));
            let judged = record_of(arm, seed);
            assert_eq!(targeted.model.fingerprint, judged.model.fingerprint, "{arm}");
            assert_eq!(targeted.data.fingerprint, judged.data.fingerprint, "{arm}");
            assert_eq!(targeted.attacks[0].name, TARGETED);
            let left = percent(targeted.attacks[0].robust.one_shot.accuracy);
            let report = format!("{RECORDS}/report-targeted-{seed}.md");
            let names = [&targeted, &plain].map(|record| record.model.name.clone());
            if arm == "plain" {
                return [left, String::new()];
            }
            let less = &differences(&report, &names[0], &names[1], &[TARGETED])[1];
            above.push(less.mean);
            [left, less.text.clone()]
        });
        assert_page_shows(PAGE, &format!("| {arm} | {} |", cells.concat().join(" | ")));
    }
    let least = above.iter().copied().fold(f64::INFINITY, f64::min);
    let most = above.iter().copied().fold(0.0, f64::max);
    assert_said(&format!("leaves both {least:.1} to {most:.1} points above."));
    // Noise that is off leaves less than plain training has.
    for seed in SEEDS {
        let [cni, plain] = ["CNI-W", "plain"]
            .map(|arm| record(&format!("{RECORDS}/targeted/{arm}-{seed}/record.json")));
        let off = cni.attacks[0].robust.noise_off.as_ref().unwrap().accuracy;
        assert_page_says(PAGE, &format!("leave {} % in both seeds", percent(off)));
        assert!(off < plain.attacks[0].robust.one_shot.accuracy);
    }
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
