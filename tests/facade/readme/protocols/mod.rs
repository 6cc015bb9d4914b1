//! The page on noise under four protocols of attack, and its table in the README: all numbers are
//! those of the runs' records.

mod runs;

use super::chapters::{percent, thousands};
use super::docs::{assert_page_says, page};
use super::{assert_said, assert_shown, json, root};
pub(super) use runs::ATTACKS;
use runs::*;
use serde_json::Value;

const PAGE: &str = "protocols.md";

fn assert_row(row: &str) {
    assert!(page(PAGE).contains(row), "{PAGE} lacks: {row}");
}

#[test]
fn every_arm_stands_under_every_protocol_as_its_runs_do() {
    let record = json(&format!("{RUNS}.json"));
    let (plain, arms) = (runs("plain"), record["arms"].as_array().unwrap());
    assert_eq!(arms.len(), ARMS.len());
    for arm in arms {
        let name = arm["name"].as_str().unwrap();
        let runs = runs(name);
        let worst: Vec<_> =
            arm["runs"].as_array().unwrap().iter().map(|run| run["robust"].as_f64()).collect();
        let same: Vec<_> = runs.iter().map(|run| Some(run[WORST])).collect();
        assert_eq!(worst, same, "{name}: the ablation is of other runs");
        let column = |column: usize| spread(runs.iter().map(|run| run[column]));
        let cells: Vec<_> = (0..=WORST).map(column).collect();
        assert_row(&format!("| {name} | {} |", cells.join(" | ")));
        let fall = |run: &Vec<f64>| run[FROZEN] - run[AWARE];
        let more = match name {
            "plain" => "|".to_string(),
            _ => {
                let of_plain = plain.iter().map(fall);
                let more = runs.iter().map(fall).zip(of_plain).map(|(fall, plain)| fall - plain);
                format!("{} |", signed(&over_seeds(more)))
            }
        };
        assert_row(&format!("| {name} | {} | {more}", spread(runs.iter().map(fall))));
        let cells = [CLEAN, FROZEN, PGD_7, AWARE, WORST].map(column);
        assert_shown(&format!("| {name} | {} |", cells.join(" | ")));
    }
}

#[test]
fn arms_differ_from_no_noise_as_the_records_do() {
    let record = json(&format!("{RUNS}.json"));
    let plain = runs("plain");
    let comparisons = record["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), ARMS.len() - 1);
    for comparison in comparisons {
        let name = comparison["arm"].as_str().unwrap();
        let runs = runs(name);
        let cells = [FROZEN, PGD_7, PGD_20, EOT, AWARE, WORST]
            .map(|column| signed(&difference(&runs, &plain, column)));
        let p = comparison["robust"]["adjusted_p"].as_f64().unwrap();
        assert_row(&format!("| {name} | {} | {p:.2} |", cells.join(" | ")));
    }
}

#[test]
fn what_page_and_readme_say_of_the_protocols_is_so() {
    let [plain, half, pni, cni, activations] = ARMS.map(runs);
    let against_plain = |arm: &[Vec<f64>], column| difference(arm, &plain, column);
    let [frozen, aware] =
        [FROZEN, AWARE].map(|column| [&cni, &pni].map(|arm| against_plain(arm, column)));
    let [[cni_frozen, pni_frozen], [cni_aware, pni_aware]] =
        [&frozen, &aware].map(|pair| pair.each_ref().map(signed));
    let headline = format!(
        "Under a frozen draw CNI-W stands {cni_frozen} points above plain adversarial training, \
         and PNI-W {pni_frozen}. Under EOT-APGD-CE it is {cni_aware} and {pni_aware}: no gain is \
         shown, and for CNI-W one of four points is not excluded."
    );
    assert_page_says(PAGE, &headline);
    assert_said(&headline);
    // A gain is shown where the interval is above zero, and not excluded below its upper end.
    assert!(frozen.iter().all(|gain| gain.low > Some(0.0)));
    assert!(aware.iter().all(has_zero));
    assert!(aware[0].high > Some(0.04));

    let mean = |arm: &[Vec<f64>], column: usize| over_seeds(arm.iter().map(|run| run[column])).mean;
    let gain = |arm, column| format!("{:+.1}", 100.0 * (mean(arm, column) - mean(&plain, column)));
    assert!(!has_zero(&against_plain(&pni, PGD_7)) && has_zero(&against_plain(&cni, PGD_7)));
    assert_page_says(
        PAGE,
        &format!(
            "PNI-W gains {} and CNI-W {}, whose interval has zero in it. Twenty steps in place of \
             seven, still with one draw each, leave {} and {}; averages over ten draws leave {} \
             and {}.",
            gain(&pni, PGD_7),
            gain(&cni, PGD_7),
            gain(&pni, PGD_20),
            gain(&cni, PGD_20),
            gain(&pni, EOT),
            gain(&cni, EOT),
        ),
    );
    let [frozen, aware] = [FROZEN, AWARE].map(|column| against_plain(&activations, column));
    assert!(frozen.low > Some(0.0) && has_zero(&aware));
    assert_page_says(
        PAGE,
        &format!(
            "{} under a frozen draw and {} under EOT-APGD-CE, against plain.",
            signed(&frozen),
            signed(&aware),
        ),
    );
    let worst = against_plain(&half, WORST);
    assert!(has_zero(&worst));
    assert_page_says(
        PAGE,
        &format!(
            "Half and half stands {} points above plain on clean images, and in the worst case \
             {}, an interval with zero in it.",
            signed(&against_plain(&half, CLEAN)),
            signed(&worst),
        ),
    );
    let mut seeds: Vec<_> = plain.iter().map(|run| run[WORST]).collect();
    assert!(seeds[1] < seeds[0].min(seeds[2]), "seed 2 is the weakest");
    assert!([0, 2].iter().all(|&seed| cni[seed][WORST] < seeds[seed]));
    seeds.sort_by(f64::total_cmp);
    let mut means = ARMS.map(|arm| mean(&runs(arm), WORST));
    means.sort_by(f64::total_cmp);
    assert!(seeds[2] - seeds[0] > means[4] - means[0], "wider than the five means");
    let [low, high] = [percent(seeds[0]), percent(seeds[2])];
    assert_page_says(PAGE, &format!("seeds lie between {low} and {high} % in the worst case"));
    let history = json(&format!("{RUNS}/runs/plain/seed-2/history.json"));
    let robust = |epoch: usize| history[epoch - 1]["validation"]["robust"].as_f64().unwrap();
    assert_eq!((1000.0 * (robust(8) - robust(10))).round(), 1.0, "one image of 1,000");

    let points = |ours: &[Vec<f64>], theirs: &[Vec<f64>], column| {
        format!("{:.1}", 100.0 * (mean(ours, column) - mean(theirs, column)))
    };
    let parts = |column| {
        [(&pni, &half), (&plain, &half), (&pni, &plain)].map(|(a, b)| points(a, b, column))
    };
    let [gap, of_loss, of_noise] = parts(PGD_7);
    let [left, left_of_loss, left_of_noise] = parts(AWARE);
    let [pni, half, plain] = [&pni, &half, &plain].map(|arm| percent(mean(arm, PGD_7)));
    assert_page_says(
        PAGE,
        &format!(
            "{pni} % of PNI-W, {half} % of half and half, and {plain} % of plain adversarial \
             training. Of the {gap} points between our PNI-W and half and half, {of_loss} are the \
             loss's, which is not the same in these two, and {of_noise} the noise's. Under \
             EOT-APGD-CE {left} points are left, of which {left_of_loss} are the loss's and \
             {left_of_noise} the noise's."
        ),
    );
}

/// The threat and the effort are those that the page names.
#[test]
fn the_page_names_the_effort_of_the_records() {
    for arm in ARMS {
        for seed in 1..=3 {
            let record: Value = json(&record_of(arm, seed));
            // A model without noise has one draw.
            let draws = if record["stochastic"] == true { 20 } else { 1 };
            let wanted = (Some(1000), Some(draws), Some(8.0 / 255.0));
            let epsilon = record["threat"]["threats"][0]["epsilon"].as_f64();
            let found = (record["examples"].as_u64(), record["draws"].as_u64(), epsilon);
            assert_eq!(found, wanted, "{arm}, seed {seed}");
        }
    }
    let zeros = |arm: &str| -> Vec<Option<u64>> {
        (1..=3).map(|seed| zero_gradients(&json(&record_of(arm, seed)))).collect()
    };
    let zeros: Vec<_> = ARMS.iter().map(|arm| zeros(arm)).collect();
    let some: Vec<u64> = zeros[..4].iter().flatten().map(|count| count.unwrap()).collect();
    let [fewest, most] = [some.iter().min(), some.iter().max()].map(|count| count.unwrap());
    assert_eq!(zeros[4], [None; 3]);
    assert_page_says(
        PAGE,
        &format!("zero on {fewest} to {most} images of each run without noise on activations"),
    );
    let seconds = |arms: &[&str]| {
        let of_run = |(arm, seed): (&str, usize)| {
            json(&record_of(arm, seed))["seconds"].as_f64().unwrap().round() as u64
        };
        let mut all: Vec<_> =
            arms.iter().flat_map(|arm| (1..=3).map(|seed| of_run((*arm, seed)))).collect();
        all.sort();
        [all[0], all[all.len() - 1]].map(thousands)
    };
    let [least, most] = seconds(&ARMS[..2]);
    let [noisy_least, noisy_most] = seconds(&ARMS[2..]);
    let said = format!(
        "took {least} to {most} s without noise, and {noisy_least} to {noisy_most} s with it"
    );
    assert_page_says(PAGE, &said);
    assert_page_says(PAGE, "The first 1,000 test images at 8/255, each by twenty draws");
    for picture in ["protocols", "frontier"] {
        let file = root().join(format!("{RUNS}-{picture}.svg"));
        let text = std::fs::read_to_string(file).unwrap();
        for arm in ARMS {
            assert!(text.contains(arm), "{picture} lacks {arm}");
        }
    }
}

/// The number of images on which EOT-APGD-DLR met a gradient of zero, as the record warns of it.
fn zero_gradients(record: &Value) -> Option<u64> {
    let warnings = record["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let mut met = warnings.filter_map(|text| {
        let (_, count) = text.split_once("EOT-APGD-DLR-20x10 met a gradient of zero on ")?;
        count.split(' ').next()?.parse().ok()
    });
    met.next()
}

/// The last arm has noise on the inputs of all convolutions but the first.
#[test]
fn noise_on_activations_lies_where_the_page_says() {
    let file = record_of(ARMS[4], 1).replace("evaluation/record.json", "history.json");
    let history = json(&file);
    let watched = history[0]["watched"].as_object().unwrap();
    let convolutions: Vec<_> =
        watched.keys().filter_map(|path| path.strip_suffix(".conv.weight")).collect();
    let inputs: Vec<_> = watched.keys().filter_map(|path| path.strip_suffix(".input")).collect();
    let behind_the_first: Vec<_> = convolutions.iter().filter(|path| **path != "conv1").collect();
    assert_eq!((convolutions.len(), inputs.len()), (21, 20));
    assert!(
        behind_the_first.iter().all(|path| {
            inputs.contains(path) || inputs.contains(&path.trim_end_matches(".conv"))
        })
    );
    assert_page_says(PAGE, "the inputs of all convolutions but the first have colored noise too");
}
