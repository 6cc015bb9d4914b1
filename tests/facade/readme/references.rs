//! The attacks beside their references.

use super::docs::{assert_page_says, assert_page_shows};
use super::{assert_said, json};
use serde_json::Value;

/// The robust accuracy of both sides and their agreement, by record and attack.
fn parity_table(titles: [&str; 2], records: &[Value; 2], attacks: &[&str]) -> String {
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
    let [adversarial, plain, suite, nearest] = ["at", "plain", "at-standard", "at-cw"]
        .map(|name| json(&format!("results/attacks/parity-{name}.json")));
    // A network worth attacking.
    assert!(adversarial["attacks"]["apgd_ce"]["ours"].as_f64().unwrap() > 0.35);
    let records = [adversarial, plain];
    let attacks = ["fgsm", "pgd20", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"];
    let table = parity_table(["adversarial, 8/255", "plain, 1/255"], &records, &attacks);
    assert_page_shows("references.md", &table);
    let standard = &suite["attacks"]["standard"];
    assert_page_says(
        "references.md",
        &format!(
            "leaves {:.1} % of an earlier, weaker network ({:.1} % clean) here and there",
            100.0 * standard["ours"].as_f64().unwrap(),
            100.0 * suite["clean"]["ours"].as_f64().unwrap()
        ),
    );
    let of = |field: &str| standard[field].as_f64().unwrap();
    assert_eq!((of("ours"), of("agreement")), (of("theirs"), 1.0));
    assert_said(&format!(
        "AutoAttack's `standard` leaves {:.1} % of an adversarially trained network here and \
         there, and both say the same of every one of {} images",
        100.0 * of("ours"),
        "1,000",
    ));
    let norms = &nearest["attacks"]["cw"]["norms"];
    let norms = format!(
        "median distance is {:.3} times foolbox'",
        norms["ratio_of_medians"].as_f64().unwrap()
    );
    assert_page_shows("references.md", &norms);
}

#[test]
fn the_comparison_in_l1_and_l2_is_that_of_its_records() {
    let records = ["l2", "l1"].map(|norm| json(&format!("results/attacks/parity-at-{norm}.json")));
    let attacks = ["fgsm", "pgd20", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"];
    let table = parity_table(["L2, 0.5", "L1, 12"], &records, &attacks);
    assert_page_shows("references.md", &table);
    for record in &records {
        let clean = format!("({:.1} % clean)", 100.0 * record["clean"]["ours"].as_f64().unwrap());
        assert_page_shows("references.md", &clean);
    }
}

#[test]
fn the_speeds_of_the_attacks_are_those_of_their_records() {
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
        assert_page_shows("speed.md", &line);
    }
}
