//! Which of two models classifies more of the images correctly, and how sure that is.

use super::Model;
use crate::document::Block;
use crate::table::{Cell, Table};
use crate::format;
use cni_evaluation::{Comparison, Difference, compare};

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (index, a) in models.iter().enumerate() {
        for b in &models[index + 1..] {
            match compare(&a.evaluated, &b.evaluated) {
                Ok(comparison) => blocks.extend(compared(a, b, &comparison)),
                Err(reason) => {
                    let text = format!("{} and {} are not compared: {reason}.", a.name, b.name);
                    blocks.push(Block::Text(text));
                }
            }
        }
    }
    if models.len() > 2 {
        blocks.push(Block::Text(
            "The p-values stand each for itself: of twenty comparisons of equal models one is \
             below 0.05."
                .to_string(),
        ));
    }
    blocks
}

fn compared(a: &Model, b: &Model, comparison: &Comparison) -> Vec<Block> {
    let mut text = sentence(a, b, &comparison.clean, "on clean images");
    text += " ";
    text += &match &comparison.worst_case {
        Some(worst) => sentence(a, b, worst, "in the worst case"),
        None => {
            "Their suites are not equal, so their worst cases have no common meaning.".to_string()
        }
    };
    let row = |(name, difference): (&str, &Difference)| {
        let points = [difference.accuracy, difference.low, difference.high];
        let evidence = if difference.evidence { "yes" } else { "no evidence" };
        vec![
            name.into(),
            Cell::Accuracy(points),
            format::p_value(difference.p).into(),
            evidence.into(),
        ]
    };
    let attacks = comparison.attacks.iter().map(|(name, difference)| (name.as_str(), difference));
    let worst = comparison.worst_case.iter().map(|difference| ("worst case", difference));
    let all: Vec<(&str, &Difference)> =
        std::iter::once(("clean", &comparison.clean)).chain(attacks).chain(worst).collect();
    let (interval, test) = match comparison.clean.exact_p {
        Some(_) => ("Newcombe's paired interval", "McNemar's exact test"),
        None => ("interval over examples and draws", "normal test over examples and draws"),
    };
    let mut blocks = vec![Block::Text(text)];
    if all.iter().any(|(_, difference)| !difference.evidence) {
        blocks.push(Block::Text(
            "No evidence: an attack that does not average over the draws of a noisy model (EOT) is \
             led astray by each of them, so that what it leaves says nothing of the model."
                .to_string(),
        ));
    }
    blocks.push(Block::Table(Table {
        caption: format!(
            "{} less {}, image by image, with {interval}. Each model is of one training run: this \
             compares these two models, not the methods that made them",
            a.name, b.name
        ),
        columns: ["images", "difference, percentage points", test, "evidence"]
            .map(String::from)
            .to_vec(),
        rows: all.into_iter().map(row).collect(),
    }));
    blocks
}

fn sentence(a: &Model, b: &Model, difference: &Difference, place: &str) -> String {
    let (a, b, more) = match difference.accuracy < 0.0 {
        true => (&b.name, &a.name, -difference.accuracy),
        false => (&a.name, &b.name, difference.accuracy),
    };
    let (more, p_value) = (format::percent(more), format::p_value(difference.p));
    match (difference.evidence, difference.p < 0.05) {
        (false, _) => format!(
            "Between {a} and {b} {place} nothing is shown: no attack averages over the draws."
        ),
        (true, true) => format!(
            "{a} classifies more of these images correctly than {b} {place}, by {more} percentage points ({p_value})."
        ),
        (true, false) => format!(
            "No difference between {a} and {b} {place} is shown: {more} points ({p_value})."
        ),
    }
}
