//! The audit behind the checks: which attack it audited.

use super::Model;
use crate::document::Block;
use crate::format::{self, counted};
use crate::table::{Cell, Table};
use cni_evaluation::{AuditRecord, Check, Record, Verdict};

/// The blocks before the checks: a sentence, or a table for several models.
pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let with_checks = models.iter().filter(|model| !model.record().checks.is_empty());
    let with_checks: Vec<&Model> = with_checks.collect();
    match (models, with_checks.as_slice()) {
        (_, []) => Vec::new(),
        ([model], _) => vec![Block::Text(match &model.record().audit {
            Some(audit) => sentence(audit),
            None => format!("The record {UNKNOWN}."),
        })],
        (_, several) => vec![Block::Table(table(several))],
    }
}

/// The text for a record that does not name the audited attack.
const UNKNOWN: &str = "does not say which attack the checks audited";

fn table(models: &[&Model]) -> Table {
    let row = |model: &&Model| {
        let model_name = Cell::from(model.name.as_str());
        let Some(audit) = &model.record().audit else {
            let mut row = vec![model_name, format!("the record {UNKNOWN}").into()];
            row.resize(8, Cell::Missing);
            return row;
        };
        vec![
            model_name,
            name(audit).into(),
            format::radius(audit.epsilon).into(),
            Cell::Count(audit.draws as u64),
            Cell::Code(hash(audit)),
            Cell::Code(audit.key.to_string()),
            audit.effort.to_string().into(),
            Cell::Count(audit.examples as u64),
        ]
    };
    let columns = [
        "model",
        "audited attack",
        "ε",
        "draws of a gradient",
        "settings",
        "key",
        "effort",
        "most examples of a check",
    ];
    Table {
        caption: "The attack that the checks of each model audited".to_string(),
        columns: columns.map(String::from).to_vec(),
        rows: models.iter().map(row).collect(),
    }
}

/// The beginning of the hash of the audited attack's settings.
fn hash(audit: &AuditRecord) -> String {
    audit.hash.chars().take(12).collect()
}

/// The name of the audited attack, with the suite that contains it.
pub(super) fn name(audit: &AuditRecord) -> String {
    match &audit.within {
        Some(suite) => format!("{} within {suite}", audit.attack),
        None => audit.attack.clone(),
    }
}

fn sentence(audit: &AuditRecord) -> String {
    let hash = hash(audit);
    let draws = match audit.draws {
        1 => String::new(),
        draws => format!(", each gradient over {}", counted(draws, "draw")),
    };
    format!(
        "The audited attack is {}, ε = {}{draws}, settings {hash}, key {}; the {} checks \
         used up to {}.",
        name(audit),
        format::radius(audit.epsilon),
        audit.key,
        audit.effort,
        counted(audit.examples, "example")
    )
}

/// True if no check that compares accuracies could have told a difference from chance, because all
/// that apply are inconclusive.
pub(super) fn is_inconclusive(record: &Record) -> bool {
    let compares = |check: &&Check| {
        let open = check.verdict == Verdict::Inconclusive;
        open || check.bound.is_some() && check.verdict != Verdict::Skipped
    };
    let mut all = record.checks.iter().filter(compares).peekable();
    all.peek().is_some() && all.all(|check| check.verdict == Verdict::Inconclusive)
}
