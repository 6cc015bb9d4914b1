use super::targets::{Targets, target_setters};
use super::{CLEAN, ObjectiveRule};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Cross-entropy on the images as they are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Clean {
    #[serde(flatten)]
    targets: Targets,
}

impl Clean {
    pub(super) const NAME: &str = "clean";

    /// The labels as they are.
    pub fn new() -> Self {
        Self::default()
    }

    target_setters!(targets);

    /// A training pass over the images: losses and hits, `[batch]` each.
    pub(super) fn pass(step: &Step<'_>, targets: &Targets) -> Losses {
        let logits = step.logits(CLEAN, step.batch().images.clone());
        let loss = targets.cross_entropy(step, logits.clone());
        Losses::new(loss).with_score(CLEAN, step.hits(logits))
    }
}

impl ObjectiveRule for Clean {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        Ok(Self::pass(step, &self.targets))
    }

    fn check(&self, _epochs: usize) -> Result<(), TrainingError> {
        self.targets.check()
    }
}
