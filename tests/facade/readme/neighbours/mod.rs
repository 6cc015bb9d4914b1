//! The pages about the neighbouring systems say what their records say.

mod times;

use super::docs::page;
use super::json;
use cni_burn::evaluation::Verdict;
use cni_burn::prelude::Record;
use serde_json::Value;

#[test]
fn the_table_of_bands_is_that_of_its_record() {
    let page = page("band-limited.md");
    let records: Vec<Record> =
        serde_json::from_value(json("results/band-limited/record.json")).unwrap();
    for record in &records {
        let cells = std::iter::once(&record.clean).chain(record.attacks.iter().map(|a| &a.robust));
        let cells = cells.map(|of| {
            let of = &of.one_shot;
            let [accuracy, low, high] = [of.accuracy, of.low, of.high].map(|share| 100.0 * share);
            format!("{accuracy:.1} [{low:.1}, {high:.1}] |")
        });
        let row = format!("| {} | {}", record.model.name, cells.collect::<Vec<_>>().join(" "));
        assert!(page.contains(&row), "band-limited.md lacks: {row}");
    }
    // What the page says of them.
    let robust = |record: &Record, n: usize| record.attacks[n].robust.one_shot.accuracy;
    let [all, half, drawn] = &records[..] else { panic!("{} records", records.len()) };
    let [unaware, bpda, aware] = [0, 1, 2];
    assert!(
        robust(half, unaware) > robust(all, unaware) && robust(half, aware) < robust(all, aware)
    );
    assert!(robust(drawn, aware) < robust(all, aware));
    assert!(records[1..].iter().all(|record| robust(record, bpda) > robust(record, aware)));
    let spectrum = |record: &Record| record.attacks[aware].spectrum.clone().unwrap();
    let line = |name: &str, shares: &[f64]| {
        let cells: Vec<_> = shares.iter().map(|share| format!("{:.1}", 100.0 * share)).collect();
        format!("| {name} | {} |", cells.join(" | "))
    };
    let added = |record: &Record| {
        line(&format!("added to: {}", record.model.name), &spectrum(record).shares)
    };
    for row in records.iter().map(added).chain([line("white noise", &spectrum(all).white)]) {
        assert!(page.contains(&row), "band-limited.md lacks: {row}");
    }
    let low = |record: &Record| spectrum(record).shares[..4].iter().sum::<f64>();
    assert!(low(half) > low(all) + 0.1);
}

#[test]
fn the_table_of_private_trainings_is_that_of_its_record() {
    let (page, rows) = (page("privacy.md"), json("results/privacy/record.json"));
    let rows = rows.as_array().unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let or_none = |value: &Value| value.as_f64().map_or("-".into(), |value| format!("{value:.2}"));
    let measured = |value: &Value| {
        let [value, low, high] = ["value", "low", "high"].map(|of| number(&value[of]));
        format!("{value:.2} [{low:.2}, {high:.2}]")
    };
    for row in rows {
        let attack = &row["attack"];
        let [right, low, high] = [0, 1, 2].map(|i| 100.0 * number(&row["accuracy"][i]));
        let line = format!(
            "| {} | {} | {} | {right:.1} [{low:.1}, {high:.1}] | {} | {} | {:.2} | {} |",
            row["name"].as_str().unwrap(),
            or_none(&row["noise_multiplier"]),
            or_none(&row["spent"]["epsilon"]),
            measured(&attack["auc"]),
            measured(&attack["advantage"]),
            number(&attack["epsilon_at_least"]),
            attack["verdict"].as_str().unwrap_or("-"),
        );
        assert!(page.contains(&line), "privacy.md lacks: {line}");
    }
    // What the page says of them.
    let [overfitted, _plain, private @ ..] = &rows[..] else { panic!("{} rows", rows.len()) };
    assert!(number(&overfitted["attack"]["advantage"]["low"]) > 0.8);
    for row in private {
        let attack = &row["attack"];
        assert!(number(&row["spent"]["epsilon"]) <= number(&attack["bound"]["epsilon"]));
        assert!(number(&attack["advantage"]["low"]) < 0.0);
        assert_eq!(number(&attack["epsilon_at_least"]), 0.0);
        assert_eq!((number(&attack["delta"]), number(&rows[0]["attack"]["delta"])), (1e-4, 1e-5));
        let one = number(&attack["bound"]["epsilon"]) == 1.0;
        assert_eq!(attack["verdict"], if one { "under" } else { "inconclusive" });
        assert!(number(&attack["auc"]["low"]) < 0.5);
        let measured = number(&attack["members"]) + number(&attack["others"]);
        let said = format!("With {measured:.0}\ncanaries measured");
        assert!(page.contains(&said), "privacy.md lacks: {said}");
    }
}

/// A mean over the seeds, with the least and the most of them.
fn over_seeds(values: &Value, decimals: usize) -> String {
    let values: Vec<f64> =
        values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{mean:.decimals$} [{low:.decimals$}, {high:.decimals$}]")
}

#[test]
fn the_table_of_regularizers_is_that_of_its_record() {
    let (page, record) = (page("registration.md"), json("results/registration/record.json"));
    let rows = record["rows"].as_array().unwrap();
    for row in rows {
        let shown = format!(
            "| {} | {} | {} | {} |",
            row["name"].as_str().unwrap(),
            over_seeds(&row["dice"], 3),
            over_seeds(&row["folds"], 1),
            over_seeds(&row["distance"], 2),
        );
        assert!(page.contains(&shown), "registration.md lacks: {shown}");
    }
    let settings = &record["settings"];
    for said in [
        format!("{} pairs", record["test_pairs"]),
        format!("{} seeds", settings["seeds"]),
        format!("{} steps", settings["steps"]),
    ] {
        assert!(page.contains(&said), "registration.md lacks: {said}");
    }
    // What the page says of them.
    let values = |name: &str, of: &str| -> Vec<f64> {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        serde_json::from_value(row[of].clone()).unwrap()
    };
    let mean = |name: &str, of: &str| {
        let values = values(name, of);
        values.iter().sum::<f64>() / values.len() as f64
    };
    let most = |values: Vec<f64>| values.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let least = |values: Vec<f64>| values.into_iter().fold(f64::INFINITY, f64::min);
    let names = rows.iter().map(|row| row["name"].as_str().unwrap());
    let (plain, best) = ("no regularizer", "bending energy, 5");
    assert!(names.clone().all(|name| mean(name, "dice") <= mean(plain, "dice")));
    assert!((mean(plain, "folds") / 1024.0 - 0.25).abs() < 0.01);
    assert!(mean(plain, "distance") > mean("no motion", "distance"));
    assert_eq!(most(values(best, "folds")), 0.0);
    for name in names.filter(|name| name.starts_with("adversary")) {
        assert!(mean(name, "folds") < 0.1 * mean(plain, "folds"));
        assert!(mean(name, "distance") < 0.25 * mean(plain, "distance"));
        assert!(least(values(name, "distance")) > most(values(best, "distance")));
    }
    assert!(mean("adversary, 0.003", "dice") < mean("adversary, 0.001", "dice"));
}

#[test]
fn the_binary_network_is_that_of_its_record() {
    let page = page("binary.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let json = json("results/binary/record.json");
    let number = |of: &str| {
        let digits = json["packed"][of].as_u64().unwrap().to_string();
        let (thousands, rest) = digits.split_at(digits.len().saturating_sub(3));
        if thousands.is_empty() { digits } else { format!("{thousands},{rest}") }
    };
    for said in [
        format!("{} binary weights and {} other values", number("binary"), number("full")),
        format!("{} bytes, {} of them for the signs", number("bytes"), number("bytes_of_signs")),
    ] {
        assert!(page.contains(&said), "binary.md lacks: {said}");
    }
    assert_eq!(json["packed"]["logits_equal"], true);
    // A bit for each float.
    assert_eq!(
        json["packed"]["binary"].as_u64(),
        json["packed"]["bytes_of_signs"].as_u64().map(|bytes| 8 * bytes)
    );
    let records: Vec<Record> = serde_json::from_value(json["records"].clone()).unwrap();
    for record in &records {
        let of = &record.attacks[0].robust.one_shot;
        let [accuracy, low, high] = [of.accuracy, of.low, of.high].map(|share| 100.0 * share);
        let checks = record.checks.iter().map(|check| format!("{} |", check.verdict));
        let checks = checks.collect::<Vec<_>>().join(" ");
        let name = &record.model.name;
        let row = format!("| {name} | {accuracy:.1} [{low:.1}, {high:.1}] | {checks}");
        assert!(page.contains(&row), "binary.md lacks: {row}");
    }
    let [zero, own, tanh] = &records[..] else { panic!("{} records", records.len()) };
    let robust = |record: &Record, n: usize| record.attacks[n].robust.one_shot.accuracy;
    for (n, name) in [(1, "transfer from a network in full precision"), (2, "Square")] {
        let said = format!("{name} leaves {:.1}", 100.0 * robust(own, n));
        assert!(page.contains(&said), "binary.md lacks: {said}");
    }
    let clean = 100.0 * zero.clean.one_shot.accuracy;
    let said =
        format!("Right of {} digits, in percent, {clean:.1} without an attack", zero.examples);
    assert!(page.contains(&said), "binary.md lacks: {said}");
    // What the page says of them.
    assert!(robust(zero, 0) > robust(own, 0) && robust(own, 0) > robust(tanh, 0));
    let fails = |record: &Record| {
        record.checks.iter().filter(|check| check.verdict == Verdict::Fail).count()
    };
    assert_eq!((fails(zero), fails(tanh)), (4, 0));
}
