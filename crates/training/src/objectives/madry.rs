use super::adversarial::TrainingAttack;
use super::clean::Clean;
use super::{AttackLabels, Objective, ObjectiveRule};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use cni_attacks::Attack;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Cross-entropy on adversarial images alone (Madry et al., arXiv 1706.06083, equation 2.1).
///
/// The attack sees the model as at inference, its noise on.
#[derive(Clone, Serialize, Deserialize)]
pub struct Madry {
    #[serde(flatten)]
    attack: TrainingAttack,
}

impl Madry {
    pub(super) const NAME: &str = "madry";

    /// Adversarial images from the first epoch on, away from the labels of the data.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { attack: TrainingAttack::new(attack) }
    }

    /// Trains on clean images alone before this epoch, counted from 0.
    pub fn with_start_epoch(mut self, epoch: usize) -> Self {
        self.attack.start_epoch = epoch;
        self
    }

    /// Sets the labels that the attack leads away from.
    pub fn with_labels(mut self, labels: AttackLabels) -> Self {
        self.attack.labels = labels;
        self
    }
}

impl ObjectiveRule for Madry {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        match self.attack.is_active(step) {
            true => self.attack.pass(step),
            false => Ok(Clean::pass(step)),
        }
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.attack.as_ref()]
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack: self.attack.replaced(attack) }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        self.attack.check(epochs)
    }
}
