use super::adversarial::{ADVERSARIAL, LabelledAttack, labelled_attack_setters, with_robust};
use super::clean::Clean;
use super::targets::Targets;
use super::{CLEAN, Objective, ObjectiveRule, check_above_zero};
use crate::step::{Losses, Step, kl_divergence};
use crate::{StepError, TrainingError};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor};
use cni_attacks::Attack;
use cni_attacks::rows::{at_least_single, own_class};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// MART: adversarial training that makes more of the examples that the model gets wrong (Wang et
/// al., ICLR 2020, section 3).
///
/// `BCE(f(x'), y) + λ · KL(f(x) ‖ f(x')) · (1 − p_y(x))` with the boosted cross-entropy
/// `BCE = −log p_y(x') − log(1 − max_{k≠y} p_k(x'))`. The authors' guards are kept: 1.0001 and
/// 10⁻¹² in the second logarithm, 1.0000001 in the weight. The divergence needs none: where theirs
/// adds 10⁻¹² to a probability, [`kl_divergence`](crate::kl_divergence) has its logarithm. Gradients
/// go through all predictions.
///
/// The attack raises the cross-entropy and sees the model as at inference, its noise on;
/// [`Pgd::trades`](cni_attacks::Pgd::trades) is the authors' too. The two training passes have
/// independent noise.
#[derive(Clone, Serialize, Deserialize)]
pub struct Mart {
    #[serde(flatten)]
    attack: LabelledAttack,
    #[serde(default = "five")]
    lambda: f64,
}

fn five() -> f64 {
    5.0
}

impl Mart {
    pub(super) const NAME: &str = "mart";

    /// λ 5, the authors' for ResNet-18, from the first epoch on, away from the labels of the data.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { attack: LabelledAttack::new(attack), lambda: five() }
    }

    /// Sets λ, the weight of the divergence.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] unless it is finite and above 0.
    pub fn with_lambda(mut self, lambda: f64) -> Result<Self, TrainingError> {
        self.lambda = check_above_zero("lambda", lambda)?;
        Ok(self)
    }

    labelled_attack_setters!(attack);

    /// The loss of each example from the logits of clean and of adversarial images, `[batch,
    /// classes]`: `[batch]`.
    fn loss(&self, clean: Tensor<2>, adversarial: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
        let divergence = kl_divergence(clean.clone(), adversarial.clone());
        let [clean, adversarial] =
            [clean, adversarial].map(|logits| log_softmax(at_least_single(logits), 1));
        let own = own_class(labels, &clean);
        let plain = if adversarial.is_autodiff() {
            adversarial.clone().inner()
        } else {
            adversarial.clone()
        };
        // A class and a masked sum, since the gradient of a maximum scatters, in no fixed order on
        // some devices.
        let others = plain.mask_fill(own.clone(), f64::NEG_INFINITY);
        let rival = own_class(&others.argmax(1).squeeze_dim(1), &clean);
        let of = |class: &Tensor<2, Bool>, logs: Tensor<2>| -> Tensor<1> {
            logs.mask_fill(class.clone().bool_not(), 0.0).sum_dim(1).squeeze_dim(1)
        };
        let spare = (-of(&rival, adversarial.clone()).exp()).add_scalar(1.0001).add_scalar(1e-12);
        let boosted = -of(&own, adversarial) - spare.log();
        let doubt = (-of(&own, clean).exp()).add_scalar(1.000_000_1);
        boosted + (divergence * doubt).mul_scalar(self.lambda)
    }
}

impl ObjectiveRule for Mart {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        if !self.attack.of.is_active(step) {
            return Ok(Clean::pass(step, &Targets::default()));
        }
        let images = self.attack.images(step)?;
        let clean = step.logits(CLEAN, step.batch().images.clone());
        let adversarial = step.logits(ADVERSARIAL, images);
        let loss = self.loss(clean.clone(), adversarial.clone(), step.labels());
        let losses = Losses::new(loss).with_score(CLEAN, step.hits(clean));
        Ok(with_robust(losses, step, adversarial))
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.of.attack.as_ref()]
    }

    fn passes(&self) -> u64 {
        2
    }

    fn forward_passes(&self) -> u64 {
        self.attack.forward_passes()
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack: self.attack.replaced(attack), ..self.clone() }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_above_zero("lambda", self.lambda)?;
        self.attack.of.check(epochs)
    }
}
