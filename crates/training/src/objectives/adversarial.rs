//! The adversarial images that objectives train on.

use super::targets::Targets;
use super::{EpsilonRamp, ROBUST, ROBUST_LOSS};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, Knob, attack_from_spec};
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

/// An attack on training batches, the first epoch that it is made in, and how its radius grows.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TrainingAttack {
    #[serde(serialize_with = "write_attack", deserialize_with = "read_attack")]
    pub attack: Arc<dyn Attack>,
    #[serde(default)]
    pub start_epoch: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_ramp: Option<EpsilonRamp>,
}

impl TrainingAttack {
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { attack: Arc::new(attack), start_epoch: 0, epsilon_ramp: None }
    }

    /// The same first epoch and ramp with another attack.
    pub fn replaced(&self, attack: Arc<dyn Attack>) -> Self {
        Self { attack, ..self.clone() }
    }

    /// True if this step attacks at all.
    pub fn is_active(&self, step: &Step<'_>) -> bool {
        step.epoch() >= self.start_epoch
    }

    /// The attack of a step, at the radius that it has come to.
    pub fn at(&self, step: &Step<'_>) -> Result<Arc<dyn Attack>, StepError> {
        let after = step.batch().progress() - self.start_epoch as f64;
        let epsilon = self.attack.threat().epsilon();
        match self.epsilon_ramp.and_then(|ramp| ramp.radius(epsilon, after)) {
            Some(radius) => Ok(self.attack.with_knob(Knob::Epsilon(radius))?),
            None => Ok(self.attack.clone()),
        }
    }

    /// Refuses a run that ends before the attack begins, or before its radius is reached.
    pub fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        if self.start_epoch >= epochs {
            let got = format!("{} of {epochs} epochs", self.start_epoch);
            let wanted = "an epoch of the run, or a clean objective";
            return Err(TrainingError::setting("start_epoch", got, wanted));
        }
        let epochs = epochs - self.start_epoch;
        self.epsilon_ramp.iter().try_for_each(|ramp| ramp.check(self.attack.as_ref(), epochs))
    }
}

/// Adds the scores of adversarial images: hits, and the cross-entropy with the labels of the data.
pub(super) fn with_robust(losses: Losses, step: &Step<'_>, logits: Tensor<2>) -> Losses {
    let loss = step.cross_entropy(logits.clone()).inner();
    losses.with_score(ROBUST, step.hits(logits)).with_score(ROBUST_LOSS, loss)
}

/// A training attack away from labels.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct LabelledAttack {
    #[serde(flatten)]
    pub of: TrainingAttack,
    #[serde(default)]
    pub labels: AttackLabels,
}

impl LabelledAttack {
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { of: TrainingAttack::new(attack), labels: AttackLabels::True }
    }

    /// The same labels, first epoch and ramp with another attack.
    pub fn replaced(&self, attack: Arc<dyn Attack>) -> Self {
        Self { of: self.of.replaced(attack), ..self.clone() }
    }

    /// The forward passes that find the labels, each time the images are asked for.
    pub fn forward_passes(&self) -> u64 {
        match self.labels {
            AttackLabels::True => 0,
            AttackLabels::Predicted => 1,
        }
    }

    /// The adversarial images of a step, ready for a training pass.
    pub fn images(&self, step: &Step<'_>) -> Result<Tensor<4>, StepError> {
        let labels: Tensor<1, Int> = match self.labels {
            AttackLabels::True => step.labels().clone(),
            AttackLabels::Predicted => {
                let plain = step.batch().images.clone().inner();
                step.frozen_logits("predict", plain).argmax(1).squeeze_dim(1)
            }
        };
        step.perturb("attack", self.of.at(step)?.as_ref(), labels)
    }

    /// A training pass over the adversarial images: losses, and the scores of them, `[batch]` each.
    pub fn pass(&self, step: &Step<'_>, targets: &Targets) -> Result<Losses, StepError> {
        let logits = step.logits(ADVERSARIAL, self.images(step)?);
        let loss = targets.cross_entropy(step, logits.clone());
        Ok(with_robust(Losses::new(loss), step, logits))
    }
}

/// The name of the training pass over adversarial images.
pub(super) const ADVERSARIAL: &str = "adversarial";

/// Setters of an objective's [`TrainingAttack`], which is at the given place.
macro_rules! attack_setters {
    ($($attack:ident).+) => {
        /// Trains on clean images alone before this epoch, counted from 0. PNI's code: 5.
        pub fn with_start_epoch(mut self, epoch: usize) -> Self {
            self.$($attack).+.start_epoch = epoch;
            self
        }

        /// Lets the radius of the attack grow over the first epochs with an attack.
        pub fn with_epsilon_ramp(mut self, ramp: $crate::EpsilonRamp) -> Self {
            self.$($attack).+.epsilon_ramp = Some(ramp);
            self
        }
    };
}

/// Setters of an objective's [`LabelledAttack`], which is in the given field.
macro_rules! labelled_attack_setters {
    ($attack:ident) => {
        $crate::objectives::adversarial::attack_setters!($attack.of);

        /// Sets the labels that the attack leads away from.
        pub fn with_labels(mut self, labels: $crate::AttackLabels) -> Self {
            self.$attack.labels = labels;
            self
        }
    };
}

pub(super) use {attack_setters, labelled_attack_setters};

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
