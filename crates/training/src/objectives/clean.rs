use super::{CLEAN, ObjectiveRule};
use crate::StepError;
use crate::step::{Losses, Step};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Cross-entropy on the images as they are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clean {}

impl Clean {
    pub(super) const NAME: &str = "clean";

    /// A training pass over the images: losses and hits, `[batch]` each.
    pub(super) fn pass(step: &Step<'_>) -> Losses {
        let logits = step.logits(CLEAN, step.batch().images.clone());
        let loss = step.cross_entropy(logits.clone());
        Losses::new(loss).with_score(CLEAN, step.hits(logits))
    }
}

impl ObjectiveRule for Clean {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        Ok(Self::pass(step))
    }
}
