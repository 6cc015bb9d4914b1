//! The table of all examples, for readers who compute with them.

use super::Model;
use crate::table::{Cell, Table};
use std::collections::HashMap;

/// A table with a line for each example and each kind of image of each model: the probability that
/// the image is classified correctly and, for a model with noise, its exact interval over draws.
/// The images after an attack of a cascade are the worst of those that it and the attacks before it
/// found.
pub(crate) fn table(models: &[Model]) -> Table {
    let columns = [
        "model",
        "index",
        "label",
        "images",
        "correct",
        "draws",
        "probability",
        "low",
        "high",
        "predicted",
        "distance",
    ];
    let mut rows = Vec::new();
    for model in models {
        let record = model.record();
        let mut known = HashMap::new();
        let mut share = |correct: u32| {
            *known.entry(correct).or_insert_with(|| {
                let of = record.probability(correct);
                of.expect("a record that was checked has no more correct draws than draws")
            })
        };
        for row in &model.evaluated.rows {
            let mut push =
                |images: &str, correct: u32, predicted: Option<i64>, distance: Option<f64>| {
                    let (probability, low, high) = share(correct);
                    rows.push(vec![
                        model.name.as_str().into(),
                        Cell::Count(row.index as u64),
                        Cell::Text(row.label.to_string()),
                        images.into(),
                        Cell::Count(correct.into()),
                        Cell::Count(record.draws as u64),
                        Cell::Number(probability),
                        Cell::Number(low),
                        Cell::Number(high),
                        predicted.map_or(Cell::Missing, |class| Cell::Text(class.to_string())),
                        distance.into(),
                    ]);
                };
            push("clean", row.clean, row.predicted, None);
            for (attack, of) in record.attacks.iter().zip(&row.attacks) {
                // In a cascade the image is the worst one so far, not the attack's own.
                push(&record.heading(attack), of.correct, of.predicted, Some(of.distance));
            }
            if record.worst_case.is_some() {
                push("worst case", row.worst_case, None, None);
            }
        }
    }
    Table {
        caption: "Every example".to_string(),
        columns: columns.map(String::from).to_vec(),
        rows,
    }
}
