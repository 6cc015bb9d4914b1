//! Cascades: the accuracy after each attack.

use super::{Model, cell, of};
use crate::document::Block;
use crate::table::{Cell, Table};
use cni_evaluation::AttackRecord;

/// A table for each model whose attacks ran in a cascade.
pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let in_cascade = models.iter().filter(|model| model.record().cascade.is_some());
    in_cascade.map(|model| Block::Table(table(models, model))).collect()
}

fn table(models: &[Model], model: &Model) -> Table {
    let record = model.record();
    let count = |count: Option<usize>| count.map_or(Cell::Missing, |n| Cell::Count(n as u64));
    let row = |attack: &AttackRecord| {
        vec![
            record.heading(attack).into(),
            cell(Some(&attack.robust.one_shot)),
            count(attack.attacked),
            count(attack.broken),
            Cell::Count(attack.passes.forwards),
            Cell::Count(attack.passes.backwards),
            Cell::Seconds(attack.seconds),
        ]
    };
    let clean = std::iter::once("clean".into()).chain([cell(Some(&record.clean.one_shot))]);
    let mut clean: Vec<Cell> = clean.collect();
    clean.resize(7, Cell::Missing);
    let suite = record.cascade.as_ref().and_then(|cascade| cascade.suite.as_deref());
    let name = suite.unwrap_or("The attacks");
    let ended: Vec<String> =
        record.attacks.iter().filter(|a| a.exhausted).map(|a| a.name.clone()).collect();
    let mut caption = format!(
        "{name} as a cascade{}: each attack gets the images on which the model is still right. \
         Robust accuracy is that after the attack and those before it",
        of(models, model)
    );
    if !ended.is_empty() {
        caption += &format!(". A budget ended {}", crate::format::list(&ended));
    }
    let columns = [
        "images",
        "robust accuracy, %",
        "attacked",
        "broken",
        "forward passes",
        "backward passes",
        "time",
    ];
    Table {
        caption,
        columns: columns.map(String::from).to_vec(),
        rows: std::iter::once(clean).chain(record.attacks.iter().map(row)).collect(),
    }
}
