use super::adversarial::{LabelledAttack, labelled_attack_setters};
use super::clean::Clean;
use super::targets::{Targets, target_setters};
use super::{CLEAN, Objective, ObjectiveRule, ROBUST, ROBUST_LOSS};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use cni_attacks::Attack;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A weighted sum of the cross-entropy on clean and on adversarial images, half and half unless
/// told otherwise, as in PNI (He et al., arXiv 1811.09310) and CNI (arXiv 2003.02188).
///
/// The two training passes have independent noise. The attack sees the model as at inference, its
/// noise on.
#[derive(Clone, Serialize, Deserialize)]
pub struct HalfAndHalf {
    #[serde(flatten)]
    attack: LabelledAttack,
    #[serde(flatten)]
    targets: Targets,
    #[serde(default = "half")]
    clean_weight: f64,
    #[serde(default = "half")]
    adversarial_weight: f64,
}

fn half() -> f64 {
    0.5
}

impl HalfAndHalf {
    pub(super) const NAME: &str = "half_and_half";

    /// `½ CE(clean) + ½ CE(adversarial)` from the first epoch on, away from the labels of the data.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self {
            attack: LabelledAttack::new(attack),
            targets: Targets::default(),
            clean_weight: half(),
            adversarial_weight: half(),
        }
    }

    /// Sets the weights of the clean and the adversarial loss.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] if one is negative or not finite, or both are zero.
    pub fn with_weights(mut self, clean: f64, adversarial: f64) -> Result<Self, TrainingError> {
        (self.clean_weight, self.adversarial_weight) = (clean, adversarial);
        self.check_weights()?;
        Ok(self)
    }

    labelled_attack_setters!(attack);

    target_setters!(targets);

    fn check_weights(&self) -> Result<(), TrainingError> {
        let (clean, adversarial) = (self.clean_weight, self.adversarial_weight);
        let fine = |weight: f64| weight.is_finite() && weight >= 0.0;
        if fine(clean) && fine(adversarial) && clean + adversarial > 0.0 {
            return Ok(());
        }
        let got = format!("{clean}, {adversarial}");
        let wanted = "finite weights of at least 0, not both 0";
        Err(TrainingError::setting("weights", got, wanted))
    }
}

impl ObjectiveRule for HalfAndHalf {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        if !self.attack.of.is_active(step) {
            return Ok(Clean::pass(step, &self.targets));
        }
        let adversarial = self.attack.pass(step, &self.targets)?;
        let loss = adversarial.loss().clone().mul_scalar(self.adversarial_weight);
        let with_robust = |losses: Losses| {
            let with = |losses: Losses, name| match adversarial.score(name) {
                Some(values) => losses.with_score(name, values.clone()),
                None => losses,
            };
            [ROBUST, ROBUST_LOSS].into_iter().fold(losses, with)
        };
        if self.clean_weight == 0.0 {
            return Ok(with_robust(Losses::new(loss)));
        }
        let clean = Clean::pass(step, &self.targets);
        let losses = Losses::new(clean.loss().clone().mul_scalar(self.clean_weight) + loss);
        let losses = match clean.score(CLEAN) {
            Some(hits) => losses.with_score(CLEAN, hits.clone()),
            None => losses,
        };
        Ok(with_robust(losses))
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.of.attack.as_ref()]
    }

    fn passes(&self) -> u64 {
        if self.clean_weight == 0.0 { 1 } else { 2 }
    }

    fn forward_passes(&self) -> u64 {
        self.attack.forward_passes()
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack: self.attack.replaced(attack), ..self.clone() }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        self.check_weights()?;
        self.targets.check()?;
        self.attack.of.check(epochs)
    }
}
