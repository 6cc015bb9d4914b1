//! Which of two models is better, and how sure that is.

use super::Model;
use crate::document::Block;
use crate::table::{Cell, Table};
use crate::words;
use cni_attacks::evaluation::{Comparison, Difference, compare};

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

fn compared(a: &Model, b: &Model, comparison: &Comparison) -> [Block; 2] {
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
        let p = difference.exact_p.unwrap_or(difference.p);
        vec![name.into(), Cell::Accuracy(points), words::p_value(p).into()]
    };
    let attacks = comparison.attacks.iter().map(|(name, difference)| (name.as_str(), difference));
    let worst = comparison.worst_case.iter().map(|difference| ("worst case", difference));
    let all = std::iter::once(("clean", &comparison.clean)).chain(attacks).chain(worst);
    let test = match comparison.clean.exact_p {
        Some(_) => "McNemar's exact test",
        None => "normal test over examples and draws",
    };
    let table = Table {
        caption: format!("{} less {}, image by image", a.name, b.name),
        columns: ["images", "difference, percentage points", test].map(String::from).to_vec(),
        rows: all.map(row).collect(),
    };
    [Block::Text(text), Block::Table(table)]
}

fn sentence(a: &Model, b: &Model, difference: &Difference, place: &str) -> String {
    let p = difference.exact_p.unwrap_or(difference.p);
    let (a, b, more) = match difference.accuracy < 0.0 {
        true => (&b.name, &a.name, -difference.accuracy),
        false => (&a.name, &b.name, difference.accuracy),
    };
    let (more, p_value) = (words::percent(more), words::p_value(p));
    match p < 0.05 {
        true => format!("{a} is better than {b} {place} by {more} percentage points ({p_value})."),
        false => format!(
            "No difference between {a} and {b} {place} is shown: {more} points ({p_value})."
        ),
    }
}
