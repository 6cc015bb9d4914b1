//! The page on thirteen attacks on three networks: all numbers are those of the records and of the
//! report on them.

use super::chapters::{assert_page_says, percent, record, with_interval};
use super::docs::page;
use super::protocols::thousands;
use super::{assert_said, root};
use cni_burn::evaluation::Verdict;
use cni_burn::prelude::Record;

const PAGE: &str = "every-attack.md";
const RECORDS: &str = "results/every-attack";
/// The networks in the order of the columns.
const MODELS: [&str; 3] = ["cifar10-adversarial", "cifar10-pni-w", "cifar10-cni-w"];
/// The attacks in the order of the records, by their names on the page.
const ATTACKS: [&str; 13] = [
    "FGSM",
    "PGD-7",
    "PGD-100",
    "EOT-PGD-20x5",
    "EOT-PGD-20x20",
    "EOT-PGD-20x40",
    "EOT-APGD-CE-100x20",
    "EOT-APGD-T-20x5",
    "AutoAttack `rand`",
    "EOT-Square-1000x5",
    "transfer from plain, PGD-100",
    "noise off, PGD-100",
    "noise held, PGD-100",
];

fn records() -> [Record; 3] {
    MODELS.map(|model| record(&format!("{RECORDS}/{model}/record.json")))
}

fn assert_row(row: &str) {
    assert!(page(PAGE).contains(row), "{PAGE} lacks: {row}");
}

/// The differences in the report's comparison of a network with that without noise: of clean
/// images, under each attack, and in the worst case.
fn differences(model: &str) -> Vec<String> {
    let report = std::fs::read_to_string(root().join(RECORDS).join("report/report.md")).unwrap();
    let begin = format!("{model} less {}, image by image", MODELS[0]);
    let (_, rest) = report.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let rows = rest.lines().skip_while(|line| !line.starts_with("| clean ")).map_while(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells.len() > 2).then(|| cells[2].to_string())
    });
    rows.collect()
}

#[test]
fn every_attack_leaves_what_the_records_say() {
    let records = records();
    for (record, model) in records.iter().zip(MODELS) {
        let draws = if record.stochastic { 20 } else { 1 };
        let found = (record.model.name.as_str(), record.examples, record.draws);
        assert_eq!(found, (model, 1000, draws));
        assert_eq!(record.attacks.len(), ATTACKS.len(), "{model}");
    }
    let row =
        |name: &str, cells: [String; 3]| assert_row(&format!("| {name} | {} |", cells.join(" | ")));
    row("clean", records.each_ref().map(|record| with_interval(&record.clean.one_shot)));
    for (i, name) in ATTACKS.iter().enumerate() {
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
    let [pni, cni] = [MODELS[1], MODELS[2]].map(differences);
    let names = ["clean"].into_iter().chain(ATTACKS).chain(["worst case"]);
    assert_eq!((pni.len(), cni.len()), (ATTACKS.len() + 2, ATTACKS.len() + 2));
    for ((name, pni), cni) in names.zip(pni).zip(cni) {
        assert_row(&format!("| {name} | {pni} | {cni} |"));
    }
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
        assert_row(&format!("| {verdict} | {} |", records.each_ref().map(count).join(" | ")));
    }
    for (record, model) in records.iter().zip(MODELS) {
        assert_eq!(record.checks.len(), 24, "{model}");
        let objections = record.checks.iter().filter(|check| {
            [Verdict::Warn, Verdict::Fail, Verdict::Inconclusive].contains(&check.verdict)
        });
        for check in objections {
            assert_row(&format!(
                "| {model} | {} | {} | {} |",
                check.name, check.verdict, check.measured
            ));
        }
    }
}

/// The shares of correct answers under the attack of a name on the page, in the order of `MODELS`.
fn under(name: &str) -> [f64; 3] {
    let i = ATTACKS.iter().position(|attack| *attack == name).unwrap();
    records().map(|record| record.attacks[i].robust.one_shot.accuracy)
}

/// The difference of a noisy network under the attack of a name on the page.
fn difference(model: &str, name: &str) -> String {
    let i = ATTACKS.iter().position(|attack| *attack == name).unwrap();
    differences(model)[i + 1].clone()
}

/// True of a difference whose interval has zero in it.
fn has_zero(difference: &str) -> bool {
    difference.split_once('(').unwrap().1.starts_with('−') && difference.contains(" to ") && {
        let high = difference.split(" to ").nth(1).unwrap();
        !high.starts_with('−')
    }
}

#[test]
fn what_the_page_says_of_the_thirteen_attacks_is_so() {
    let [_, pni, cni] = MODELS;
    let [[cni_held, cni_worst], [pni_held, pni_worst]] = [cni, pni].map(|model| {
        let worst = differences(model).pop().unwrap();
        [difference(model, "noise held, PGD-100"), worst]
    });
    assert!(!has_zero(&cni_held) && !has_zero(&pni_held));
    assert!(has_zero(&cni_worst) && has_zero(&pni_worst));
    let said = format!(
        "put CNI-W {} points above the plain network and PNI-W {pni_held}. In the worst case of \
         the thirteen attacks they stand {cni_worst} and {pni_worst} points above it: no gain is \
         shown for either.",
        cni_held
    );
    assert_page_says(PAGE, &said);
    assert_said(&format!(
        "one frozen draw leaves CNI-W {cni_held} points more than plain, the worst case of all \
         {cni_worst}."
    ));
    let averaged = ["EOT-PGD-20x5", "EOT-PGD-20x20", "EOT-PGD-20x40"].map(under);
    let [five, twenty, forty] = averaged.map(|shares| percent(shares[2]));
    let said = format!("draws leave CNI-W {five}, {twenty} and {forty} %, and PNI-W");
    assert_page_says(PAGE, &said);
    let [same, again, last] = averaged.map(|shares| percent(shares[1]));
    assert_eq!((&same, &same), (&again, &last));
    assert_page_says(PAGE, &format!("and PNI-W {same} % each time"));
    let [hundred, seven] = ["PGD-100", "PGD-7"].map(|name| percent(under(name)[2]));
    assert_page_says(PAGE, &format!("a step leaves CNI-W {hundred} %, PGD-7 {seven} %"));

    let lowest = [0, 1, 2].map(|column| {
        let left = |name: &&&str| under(name)[column];
        *ATTACKS.iter().min_by(|a, b| left(a).total_cmp(&left(b))).unwrap()
    });
    assert_eq!(lowest, ["EOT-APGD-T-20x5", "EOT-APGD-T-20x5", "AutoAttack `rand`"]);
    let [ce, targeted] =
        ["EOT-APGD-CE-100x20", "EOT-APGD-T-20x5"].map(|name| difference(cni, name));
    assert!(!has_zero(&ce) && has_zero(&targeted));
    assert_page_says(
        PAGE,
        &format!("EOT-APGD-CE CNI-W less plain is {ce} points, under APGD-T {targeted}."),
    );
    let mut square = under("EOT-Square-1000x5");
    square.sort_by(f64::total_cmp);
    let [least, _, most] = square.map(percent);
    assert_page_says(PAGE, &format!("leaves {least} to {most} %"));
    let [of_pni, of_cni] =
        [pni, cni].map(|model| difference(model, "transfer from plain, PGD-100"));
    let said =
        format!("leave PNI-W {of_pni} points more than plain, and CNI-W {of_cni}. Attacked by");
    assert_page_says(PAGE, &said);
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
