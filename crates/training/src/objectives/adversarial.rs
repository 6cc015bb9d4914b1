//! The adversarial images that objectives train on.

use super::{ROBUST, ROBUST_LOSS};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use cni_attacks::{Attack, attack_from_spec};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::sync::Arc;

/// The labels that the attack on a training batch leads away from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttackLabels {
    /// The labels of the data: CNI's code.
    #[default]
    True,
    /// The model's own predictions, so that the attack does not leak the label (Kurakin et al.,
    /// ICLR 2017): PNI's code.
    Predicted,
}

/// An attack on training batches, its labels, and the first epoch that it is made in.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TrainingAttack {
    #[serde(serialize_with = "write_attack", deserialize_with = "read_attack")]
    pub attack: Arc<dyn Attack>,
    #[serde(default)]
    pub start_epoch: usize,
    #[serde(default)]
    pub labels: AttackLabels,
}

impl TrainingAttack {
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { attack: Arc::new(attack), start_epoch: 0, labels: AttackLabels::True }
    }

    /// The same labels and first epoch with another attack.
    pub fn replaced(&self, attack: Arc<dyn Attack>) -> Self {
        Self { attack, ..self.clone() }
    }

    /// True if this step attacks at all.
    pub fn is_active(&self, step: &Step<'_>) -> bool {
        step.epoch() >= self.start_epoch
    }

    /// A training pass over the adversarial images: losses, once more as a score, and hits,
    /// `[batch]` each.
    pub fn pass(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let labels = match self.labels {
            AttackLabels::True => step.labels().clone(),
            AttackLabels::Predicted => {
                let plain = step.batch().images.clone().inner();
                step.frozen_logits("predict", plain).argmax(1).squeeze_dim(1)
            }
        };
        let images = step.perturb("attack", self.attack.as_ref(), labels)?;
        let logits = step.logits("adversarial", images);
        let loss = step.cross_entropy(logits.clone());
        let scores = [(ROBUST, step.hits(logits)), (ROBUST_LOSS, loss.clone().inner())];
        let with = |losses: Losses, (name, values)| losses.with_score(name, values);
        Ok(scores.into_iter().fold(Losses::new(loss), with))
    }

    /// Refuses a run that ends before the attack begins.
    pub fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        if self.start_epoch < epochs {
            return Ok(());
        }
        let got = format!("{} of {epochs} epochs", self.start_epoch);
        let wanted = "an epoch of the run, or a clean objective";
        Err(TrainingError::setting("start_epoch", got, wanted))
    }
}

/// Writes an attack as its specification.
pub(crate) fn write_attack<S: Serializer>(
    attack: &Arc<dyn Attack>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    attack.spec().serialize(serializer)
}

/// Reads an attack from its specification.
pub(crate) fn read_attack<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<dyn Attack>, D::Error> {
    let spec = Value::deserialize(deserializer)?;
    attack_from_spec(&spec).map(Arc::from).map_err(de::Error::custom)
}
