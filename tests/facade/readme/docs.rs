//! The tables and recipes of the pages of the book, `docs/book/src`.

use super::{json, root};
use cni_burn::prelude::Record;
use cni_burn::training::Recipe;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs/book/src").join(name)).unwrap()
}

/// Refuses a page without this text, as it stands.
pub(super) fn assert_page_shows(name: &str, text: &str) {
    assert!(page(name).contains(text), "{name} lacks:\n{text}");
}

/// Refuses a page without this text, wherever its lines break.
pub(super) fn assert_page_says(name: &str, text: &str) {
    let words = page(name).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(text), "{name} lacks: {text}");
}

#[test]
fn the_flatness_along_a_run_is_that_of_its_record() {
    let (page, record) = (page("flatness.md"), json("results/flatness/overfitting.json"));
    let records = record["records"].as_array().unwrap();
    // The last record has the whole history.
    let history = records.last().unwrap()["model"]["history"].as_array().unwrap();
    let epochs: BTreeMap<_, _> = history.iter().map(|row| (row["epoch"].as_u64(), row)).collect();
    let mut found = Vec::new();
    for record in records {
        let name = record["model"]["name"].as_str().unwrap();
        let epoch: u64 = name.split(['(', ')']).nth(1).unwrap()["epoch ".len()..].parse().unwrap();
        let scores = &epochs[&Some(epoch)]["scores"];
        let score = |of: &str| scores[of].as_f64().unwrap();
        let of = |path: &str| record.pointer(path).unwrap().as_f64().unwrap();
        let row = format!(
            "| {epoch} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} ± {:.2} | {:.3} |",
            100.0 * score("train robust"),
            100.0 * score("validation robust"),
            score("train robust loss"),
            of("/reference"),
            of("/average/flatness"),
            of("/average/standard_error"),
            of("/worst/flatness"),
        );
        assert!(page.contains(&row), "flatness.md lacks: {row}");
        found.push([of("/average/flatness"), of("/worst/flatness")]);
    }
    // What the page says of them.
    for pair in found.windows(2) {
        assert!(pair[0][0] < pair[1][0] && pair[0][1] < pair[1][1], "{pair:?}");
    }
}

#[test]
fn the_recipes_in_the_documentation_are_recipes() {
    let page = page("training.md");
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let recipes = blocks.filter(|text| text.starts_with("recipe = "));
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for text in recipes {
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, text).unwrap();
        Recipe::load(&path).unwrap().training().unwrap();
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn the_speeds_in_the_documentation_are_those_of_their_records() {
    let page = page("training.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let ratio = |name: &str| json(&format!("results/ablations/{name}.json"))["ratio"].as_f64();
    for said in [
        format!("took {:.2} of the time of one run", ratio("jobs").unwrap()),
        format!("that of the digits {:.2} ([record]", ratio("jobs-digits").unwrap()),
    ] {
        assert!(page.contains(&said), "training.md lacks: {said}");
    }
    let ratios = &json("results/objectives.json")["tasks"]["objectives"]["ratios"];
    let of_plain = ratios.as_array().unwrap().iter().map(|row| row["of_plain"].as_f64().unwrap());
    let most = of_plain.fold(0.0, f64::max);
    let said = format!("more than {most:.2} times a plain step of as many passes");
    assert!(page.contains(&said), "training.md lacks: {said}");
}

#[test]
fn the_ablation_of_colored_noise_is_that_of_its_record() {
    let (page, record) = (page("colored-noise.md"), json("results/ablations/colored-noise.json"));
    let percent = |value: &Value| 100.0 * value.as_f64().unwrap();
    let spread = |of: &Value| format!("{:.1} ± {:.1}", percent(&of["mean"]), percent(&of["sd"]));
    let comparisons = record["comparisons"].as_array().unwrap();
    for arm in record["arms"].as_array().unwrap() {
        let name = arm["name"].as_str().unwrap();
        let compared = comparisons.iter().find(|comparison| comparison["arm"] == name);
        let compared = compared.map_or("| |".to_string(), |comparison| {
            let robust = &comparison["robust"];
            let [mean, low, high] = ["mean", "low", "high"].map(|of| percent(&robust[of]));
            let p = robust["adjusted_p"].as_f64().unwrap();
            format!("{mean:+.1} [{low:+.1}, {high:+.1}] | {p:.2} |")
        });
        let row = format!(
            "| {name} | {} | {} | {compared}",
            spread(&arm["clean"]),
            spread(&arm["robust"])
        );
        assert!(page.contains(&row), "colored-noise.md lacks: {row}");
    }
    // The same runs under more effort.
    for name in ["no noise", "PNI-W", "CNI-W rank=5 scale=relative"] {
        let arm =
            record["arms"].as_array().unwrap().iter().find(|arm| arm["name"] == name).unwrap();
        let run = &arm["runs"][0];
        let path = format!("results/ablations/more-effort/{}.json", name.replace(' ', "-"));
        let more = Record::read(root().join(path)).unwrap();
        assert_eq!(
            (&run["seed"], &run["fingerprint"]),
            (&1.into(), &more.model.fingerprint.into())
        );
        let more = 100.0 * more.worst_case.unwrap().one_shot.accuracy;
        let row = format!("| {name} | {:.1} | {more:.1} |", percent(&run["robust"]));
        assert!(page.contains(&row), "colored-noise.md lacks: {row}");
    }
}
