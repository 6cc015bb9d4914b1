//! Comparison of two models: which classifies more of the images correctly, and how sure that is.

use super::Model;
use crate::document::Block;
use crate::format;
use crate::table::{Cell, Table};
use cni_evaluation::{Comparison, Difference, compare};

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let (mut blocks, mut no_evidence) = (Vec::new(), false);
    for (index, a) in models.iter().enumerate() {
        for b in &models[index + 1..] {
            match compare(&a.evaluated, &b.evaluated) {
                Ok(comparison) => {
                    no_evidence |= all(&comparison).iter().any(|(_, found)| !found.evidence);
                    blocks.extend(compared(a, b, &comparison));
                }
                Err(reason) => {
                    let text = format!("{} and {} are not compared: {reason}.", a.name, b.name);
                    blocks.push(Block::Text(text));
                }
            }
        }
    }
    if no_evidence {
        blocks.push(Block::Text(
            "No evidence: an attack that does not average over the draws of a noisy model (EOT) is \
             led astray by each draw, so the accuracy under it says nothing about the model. One \
             that looks for its nearest image stops where every other draw is right, and one that \
             a budget ended early shows how far the budget went."
                .to_string(),
        ));
    }
    if models.len() > 2 {
        blocks.push(Block::Text(
            "Each p-value stands for itself: of twenty comparisons of equal models, one is below \
             0.05 on average."
                .to_string(),
        ));
    }
    blocks
}

/// The differences on clean images, under each attack, and in the worst case.
fn all(comparison: &Comparison) -> Vec<(&str, &Difference)> {
    let attacks = comparison.attacks.iter().map(|(name, difference)| (name.as_str(), difference));
    let worst = comparison.worst_case.iter().map(|difference| ("worst case", difference));
    std::iter::once(("clean", &comparison.clean)).chain(attacks).chain(worst).collect()
}

fn compared(a: &Model, b: &Model, comparison: &Comparison) -> Vec<Block> {
    let level = 1.0 - comparison.confidence;
    let mut text = sentence(a, b, (&comparison.clean, level), "On clean images");
    text += " ";
    text += &match &comparison.worst_case {
        Some(worst) => sentence(a, b, (worst, level), "In the worst case"),
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
    let (interval, test) = match comparison.clean.exact_p {
        Some(_) => ("Newcombe's paired interval", "McNemar's exact test"),
        None => ("interval over examples and draws", "normal test over examples and draws"),
    };
    let caption = format!(
        "{} less {}, image by image, with {interval}. Each model is of one training run: this \
         compares these two models, not the methods that made them",
        a.name, b.name
    );
    let columns = ["images", "difference, percentage points", test, "evidence"];
    let rows = all(comparison).into_iter().map(row).collect();
    let table = Table { caption, columns: columns.map(String::from).to_vec(), rows };
    vec![Block::Text(text), Block::Table(table)]
}

/// The sentence on which model classifies more of the images correctly, and by how much. It claims
/// no more than the interval shows: `level` is the p-value that belongs to it.
fn sentence(a: &Model, b: &Model, (difference, level): (&Difference, f64), place: &str) -> String {
    let Difference { accuracy, low, high, p, .. } = *difference;
    let ended = [a, b].iter().flat_map(|model| &model.record().attacks).any(|of| of.exhausted);
    let (a, b, [more, low, high]) = match accuracy < 0.0 {
        true => (&b.name, &a.name, [-accuracy, -high, -low]),
        false => (&a.name, &b.name, [accuracy, low, high]),
    };
    if !difference.evidence {
        let because = match ended {
            true => "a budget ended an attack early",
            false => "no attack averages over the draws",
        };
        return format!("{place}, nothing is shown between {a} and {b}: {because}.");
    }
    let (points, range) = (format::percent(more), format::percent_range(low, high));
    let doubt = if p < level { "" } else { " This does not tell the two apart." };
    let p = format::p_value(p);
    // A difference that rounds to zero means none to a reader.
    if points == "0.0" {
        return format!(
            "{place}, {a} and {b} classify equally many of these images correctly, to a tenth of a \
             point ({range}; {p})."
        );
    }
    format!(
        "{place}, {a} classifies {points} points more of these images correctly than {b} \
         ({range}; {p}).{doubt}"
    )
}
