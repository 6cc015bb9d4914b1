//! The page on thirteen attacks on three networks: all numbers are those of the records and of the
//! report on them.

use super::assert_said;
use super::chapters::{percent, record, thousands, with_interval};
use super::difference::differences;
use super::docs::assert_page_says;
use cni_burn::evaluation::Verdict;
use cni_burn::prelude::Record;
use serde_json::json;

const PAGE: &str = "every-attack.md";
const RECORDS: &str = "results/every-attack";
/// The networks in the order of the columns.
const MODELS: [&str; 3] = ["cifar10-adversarial", "cifar10-pni-w", "cifar10-cni-w"];
/// The attacks in the order of the records: their names there and on the page.
const ATTACKS: [(&str, &str); 13] = [
    ("FGSM", "FGSM"),
    ("PGD-7", "PGD-7"),
    ("PGD-100", "PGD-100"),
    ("EOT-PGD-20x5", "EOT-PGD-20x5"),
    ("EOT-PGD-20x20", "EOT-PGD-20x20"),
    ("EOT-PGD-20x40", "EOT-PGD-20x40"),
    ("EOT-APGD-CE-100x20", "EOT-APGD-CE-100x20"),
    ("EOT-APGD-T-20x5", "EOT-APGD-T-20x5"),
    ("AutoAttack-rand", "AutoAttack `rand`"),
    ("EOT-Square-1000x5", "EOT-Square-1000x5"),
    ("PGD-100-from-79e9fa96", "transfer from plain, PGD-100"),
    ("PGD-100-from-itself-off", "noise off, PGD-100"),
    ("PGD-100-from-itself-held", "noise held, PGD-100"),
];
/// Those that average over draws of the noise.
const AVERAGED: std::ops::Range<usize> = 3..10;

fn records() -> [Record; 3] {
    MODELS.map(|model| record(&format!("{RECORDS}/{model}/record.json")))
}

/// The place of an attack, by its name on the page.
fn place(name: &str) -> usize {
    ATTACKS.iter().position(|attack| attack.1 == name).unwrap()
}

/// The shares of correct answers under an attack, in the order of `MODELS`.
fn under(name: &str) -> [f64; 3] {
    records().map(|record| record.attacks[place(name)].robust.one_shot.accuracy)
}

#[test]
fn every_attack_leaves_what_the_records_say() {
    let records = records();
    for (record, model) in records.iter().zip(MODELS) {
        let draws = if record.stochastic { 20 } else { 1 };
        let found = (record.model.name.as_str(), record.examples, record.draws);
        assert_eq!(found, (model, 1000, draws));
        assert_eq!(record.threat.precision.as_deref(), Some("bf16"), "{model}");
        let names: Vec<_> = record.attacks.iter().map(|attack| attack.name.as_str()).collect();
        assert_eq!(names, ATTACKS.map(|attack| attack.0), "{model}");
        let spec = |name: &str| &record.attacks[place(name)].spec;
        assert_eq!(spec("EOT-APGD-T-20x5")["targets"], 9);
        let rand = spec("AutoAttack `rand`")["attacks"].as_array().unwrap();
        let parts: Vec<_> = rand.iter().map(|part| (&part["loss"], &part["draws"])).collect();
        assert_eq!(parts, [(&json!("cross_entropy"), &json!(20)), (&json!("dlr"), &json!(20))]);
    }
    let row = |name: &str, cells: [String; 3]| {
        assert_page_says(PAGE, &format!("| {name} | {} |", cells.join(" | ")));
    };
    row("clean", records.each_ref().map(|record| with_interval(&record.clean.one_shot)));
    for (i, (_, name)) in ATTACKS.iter().enumerate() {
        let cells = records.each_ref().map(|record| {
            let attack = &record.attacks[i];
            let star = if record.is_evidence(attack) { "" } else { " \\*" };
            with_interval(&attack.robust.one_shot) + star
        });
        row(name, cells);
    }
    let worst = |record: &Record| with_interval(&record.worst_case.as_ref().unwrap().one_shot);
    row("worst case", records.each_ref().map(worst));
}

#[test]
fn the_networks_differ_as_the_report_says() {
    let report = format!("{RECORDS}/report/report.md");
    let recorded = ATTACKS.map(|attack| attack.0);
    let [pni, cni] =
        [MODELS[1], MODELS[2]].map(|model| differences(&report, model, MODELS[0], &recorded));
    let attacks = ATTACKS.map(|attack| attack.1);
    let names = [&["clean"][..], &attacks, &["worst case"]].concat();
    for ((name, pni), cni) in names.iter().zip(&pni).zip(&cni) {
        assert_page_says(PAGE, &format!("| {name} | {} | {} |", pni.text, cni.text));
    }
    let at = |name| 1 + place(name);
    let (held, worst) = (at("noise held, PGD-100"), ATTACKS.len() + 1);
    for of in [&pni, &cni] {
        assert!(of[held].low > 0.0 && of[worst].has_zero());
    }
    let [cni_held, cni_worst] = [&cni[held].text, &cni[worst].text];
    let [pni_held, pni_worst] = [&pni[held].text, &pni[worst].text];
    assert_page_says(
        PAGE,
        &format!(
            "put CNI-W {cni_held} points above the plain network and PNI-W {pni_held}. In the \
             worst case of the thirteen attacks they stand {cni_worst} and {pni_worst} points \
             above it: no gain is shown for either."
        ),
    );
    assert_said(&format!(
        "one frozen draw leaves CNI-W {cni_held} points more than plain, the worst case of all \
         {cni_worst}."
    ));
    let [ce, targeted] = ["EOT-APGD-CE-100x20", "EOT-APGD-T-20x5"].map(|name| &cni[at(name)]);
    assert!(ce.high < 0.0 && targeted.has_zero());
    assert_page_says(
        PAGE,
        &format!(
            "weaker network: {} points against plain. By APGD-T it is {}, and by the worst case",
            ce.text, targeted.text
        ),
    );
    let transfer = at("transfer from plain, PGD-100");
    let averaged = AVERAGED.flat_map(|i| [pni[1 + i].mean, cni[1 + i].mean]);
    let [low, high] = [averaged.clone().fold(9.0, f64::min), averaged.fold(-9.0, f64::max)];
    let low = format!("{low:.1}").replace('-', "−");
    assert_page_says(
        PAGE,
        &format!(
            "leave PNI-W {} points more than plain, and CNI-W {}. Under the seven attacks that \
             average over draws the differences are {low} to {high:.1} points.",
            pni[transfer].text, cni[transfer].text
        ),
    );
}

#[test]
fn what_the_page_says_of_single_attacks_is_so() {
    let averaged = ["EOT-PGD-20x5", "EOT-PGD-20x20", "EOT-PGD-20x40"].map(under);
    let [five, twenty, forty] = averaged.map(|shares| percent(shares[2]));
    let [same, again, last] = averaged.map(|shares| percent(shares[1]));
    assert_eq!((&same, &same), (&again, &last));
    assert_page_says(
        PAGE,
        &format!("CNI-W {five}, {twenty} and {forty} % under PGD, and PNI-W {same} % each time"),
    );
    let [hundred, seven] = ["PGD-100", "PGD-7"].map(|name| percent(under(name)[2]));
    assert_page_says(PAGE, &format!("a step leaves CNI-W {hundred} %, PGD-7 {seven} %"));
    let lowest = [0, 1, 2].map(|column| {
        let left = |name: &str| under(name)[column];
        let names = ATTACKS.map(|attack| attack.1);
        names.into_iter().min_by(|a, b| left(a).total_cmp(&left(b))).unwrap()
    });
    assert_eq!(lowest, ["EOT-APGD-T-20x5", "EOT-APGD-T-20x5", "AutoAttack `rand`"]);
    // The same attack on the same images, with twenty draws a gradient.
    let more = record(&format!("{RECORDS}/targeted/record.json"));
    let found: Vec<_> = more.attacks.iter().map(|attack| attack.name.as_str()).collect();
    assert_eq!((found, more.model.name.as_str()), (vec!["EOT-APGD-T-20x20"], MODELS[2]));
    assert_eq!(more.data.fingerprint, records()[2].data.fingerprint);
    assert_page_says(
        PAGE,
        &format!(
            "With twenty draws it leaves CNI-W {} % where five leave {}",
            with_interval(&more.attacks[0].robust.one_shot),
            percent(under("EOT-APGD-T-20x5")[2]),
        ),
    );
    let square = under("EOT-Square-1000x5");
    for i in AVERAGED.filter(|i| *i != place("EOT-Square-1000x5")) {
        assert!(under(ATTACKS[i].1).iter().zip(square).all(|(left, square)| *left < square));
    }
    let (least, most) =
        (square.into_iter().fold(1.0, f64::min), square.into_iter().fold(0.0, f64::max));
    assert_page_says(PAGE, &format!("leaves {} to {} %", percent(least), percent(most)));
}

#[test]
fn the_audits_say_what_the_records_do() {
    let records = records();
    for verdict in
        [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::Inconclusive, Verdict::Skipped]
    {
        let count = |record: &Record| {
            record.checks.iter().filter(|check| check.verdict == verdict).count().to_string()
        };
        let counts = records.each_ref().map(count).join(" | ");
        assert_page_says(PAGE, &format!("| {verdict} | {counts} |"));
    }
    for (record, model) in records.iter().zip(MODELS) {
        assert_eq!(record.checks.len(), 24, "{model}");
        let objections = [Verdict::Warn, Verdict::Fail, Verdict::Inconclusive];
        for check in record.checks.iter().filter(|check| objections.contains(&check.verdict)) {
            let row =
                format!("| {model} | {} | {} | {} |", check.name, check.verdict, check.measured);
            assert_page_says(PAGE, &row);
        }
    }
    let gains = |check: &str| {
        let gain = |record: &Record| {
            record.checks.iter().find(|found| found.name == check).unwrap().values["gain"]
        };
        [&records[0], &records[1]].map(|record| format!("{:.1}", 100.0 * gain(record)))
    };
    let ([plain, pni], [margin, of_pni]) = (gains("stronger-attack"), gains("loss-choice"));
    assert_eq!(plain, pni);
    let [pgd, targeted] = ["EOT-PGD-20x20", "EOT-APGD-T-20x5"].map(under);
    let less = [0, 1].map(|column| format!("{:.1}", 100.0 * (pgd[column] - targeted[column])));
    assert_page_says(
        PAGE,
        &format!(
            "take {plain} points more from either, and PGD with the margin as its loss {margin} \
             from plain and {of_pni} from PNI-W. The table of results agrees: APGD-T leaves {} \
             and {} points less than EOT-PGD-20x20.",
            less[0], less[1]
        ),
    );
}

#[test]
fn the_page_says_what_the_attacks_took() {
    let records = records();
    let seconds = |value: f64| thousands(value.round() as u64);
    let [plain, pni, cni] = records.each_ref().map(|record| seconds(record.seconds));
    let checks = |record: &Record| record.checks.iter().map(|check| check.seconds).sum();
    let [of_plain, of_pni, of_cni] = records.each_ref().map(|record| seconds(checks(record)));
    assert_page_says(
        PAGE,
        &format!(
            "{plain} s without noise, {pni} s for PNI-W and {cni} s for CNI-W, and the checks \
             {of_plain}, {of_pni} and {of_cni} s more"
        ),
    );
    let images = |record: &Record| record.checks.iter().map(|check| check.examples).max().unwrap();
    let [without, with, also] = records.each_ref().map(images);
    assert_eq!(with, also);
    assert_page_says(PAGE, &format!("on {without} images without noise and {with} with it"));
}
