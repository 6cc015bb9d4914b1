//! What the checks are about: the attack that they audited.

use super::{Model, of};
use crate::document::Block;
use crate::format::{self, counted};
use cni_evaluation::{AuditRecord, Check, Record, Verdict};

/// What stands before the checks.
pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let with_checks = models.iter().filter(|model| !model.record().checks.is_empty());
    let text = |model: &Model| {
        let about = match &model.record().audit {
            Some(audit) => sentence(audit),
            None => "The record does not say which attack the checks audited.".to_string(),
        };
        Block::Text(match of(models, model).as_str() {
            "" => about,
            _ => format!("{}: {about}", model.name),
        })
    };
    with_checks.map(text).collect()
}

/// The audited attack in a word or two.
pub(super) fn name(audit: &AuditRecord) -> String {
    match &audit.within {
        Some(suite) => format!("{} within {suite}", audit.attack),
        None => audit.attack.clone(),
    }
}

fn sentence(audit: &AuditRecord) -> String {
    let hash: String = audit.hash.chars().take(12).collect();
    let draws = match audit.draws {
        1 => String::new(),
        draws => format!(", each gradient over {}", counted(draws, "draw")),
    };
    format!(
        "The audited attack is {}, ε = {}{draws}, settings {hash}, key {}; the {} checks used up to {}.",
        name(audit),
        format::radius(audit.epsilon),
        audit.key,
        audit.effort,
        counted(audit.examples, "example")
    )
}

/// Whether no check that compares accuracies could have told a difference from chance: all that apply are inconclusive.
pub(super) fn is_inconclusive(record: &Record) -> bool {
    let compares = |check: &&Check| {
        let open = check.verdict == Verdict::Inconclusive;
        open || check.bound.is_some() && check.verdict != Verdict::Skipped
    };
    let mut all = record.checks.iter().filter(compares).peekable();
    all.peek().is_some() && all.all(|check| check.verdict == Verdict::Inconclusive)
}
