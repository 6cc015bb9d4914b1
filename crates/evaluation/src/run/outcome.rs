//! The outcome of a run: plain data that add up.

use crate::run::certifier::Certified;
use crate::run::head::Head;
use crate::run::totals::Totals;
use crate::{AuditRecord, Check, Evaluated, EvaluationError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The outcome of a run over all examples of an evaluation, or over those of a shard.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub totals: Totals,
    /// The certificates, if the settings asked for any.
    pub certified: Option<Certified>,
    /// The audit, in the run that led it.
    pub audit: Option<(AuditRecord, Vec<Check>)>,
    /// The hash of each file of adversarial images by its name within their folder, if they are
    /// kept.
    pub images: Option<BTreeMap<String, String>>,
}

impl Outcome {
    /// The number of the first example; `None` if there are no examples.
    pub fn first(&self) -> Option<usize> {
        self.totals.rows.first().map(|row| row.index)
    }

    /// The number after that of the last example.
    pub fn end(&self) -> usize {
        self.totals.rows.last().map_or(0, |row| row.index + 1)
    }

    /// Adds the outcome of a run over the examples that follow.
    pub fn append(&mut self, next: Self) {
        self.totals.append(next.totals);
        if let (Some(certified), Some(next)) = (&mut self.certified, next.certified) {
            certified.append(next);
        }
        self.audit = self.audit.take().or(next.audit);
        if let (Some(images), Some(next)) = (&mut self.images, next.images) {
            images.extend(next);
        }
    }

    /// The result of the evaluation with this head.
    pub fn evaluated(self, head: &Head) -> Result<Evaluated, EvaluationError> {
        let mut evaluated = self.totals.finish(head);
        if let (Some(certified), Some(settings)) = (self.certified, &head.certificates) {
            certified.finish(settings, head.key, &mut evaluated)?;
        }
        if let Some((audit, checks)) = self.audit {
            evaluated.record.audit = Some(audit);
            evaluated.record.checks = checks;
        }
        Ok(evaluated)
    }
}
