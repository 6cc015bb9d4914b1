use super::adversarial::{ADVERSARIAL, TrainingAttack, attack_setters, with_robust};
use super::clean::Clean;
use super::targets::Targets;
use super::{CLEAN, Objective, ObjectiveRule, check_above_zero};
use crate::step::{Losses, Step, kl_divergence};
use crate::{StepError, TrainingError};
use cni_attacks::{Attack, Loss};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// TRADES: the cross-entropy on clean images, and the divergence of the predictions on adversarial
/// ones from those on clean ones (Zhang et al., arXiv 1901.08573, equation 5 and algorithm 1).
///
/// `CE(f(x), y) + β · KL(f(x) ‖ f(x'))`, where gradients go through both predictions. The attack
/// looks for the `x'` of the largest divergence, so its loss is not a setting:
/// [`Pgd::trades`](cni_attacks::Pgd::trades) is the authors'. Since `x` itself is a minimum of that
/// divergence, without a random start a model without noise would not be attacked at all.
///
/// The attack sees the model as at inference, its noise on, and leads away from the predictions of
/// the clean training pass, the ones that the loss compares with; the authors' code spends another
/// pass to have them as at inference too. A step with an attack of `k` steps takes `k + 2` passes
/// through the model. The two training passes have independent noise.
#[derive(Clone, Serialize, Deserialize)]
pub struct Trades {
    #[serde(flatten)]
    attack: TrainingAttack,
    #[serde(default = "six")]
    beta: f64,
}

fn six() -> f64 {
    6.0
}

impl Trades {
    pub(super) const NAME: &str = "trades";

    /// β 6, the authors' for CIFAR-10, from the first epoch on.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { attack: TrainingAttack::new(attack), beta: six() }
    }

    /// Sets β, the weight of the divergence: the authors' 1/λ.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] unless it is finite and above 0.
    pub fn with_beta(mut self, beta: f64) -> Result<Self, TrainingError> {
        self.beta = check_above_zero("beta", beta)?;
        Ok(self)
    }

    attack_setters!(attack);
}

impl ObjectiveRule for Trades {
    fn spec(&self) -> Value {
        let mut spec = named_spec("objective", Self::NAME, self);
        // The loss is that of the objective.
        if let Some(attack) = spec["attack"].as_object_mut() {
            attack.remove("loss");
        }
        spec
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        if !self.attack.is_active(step) {
            return Ok(Clean::pass(step, &Targets::default()));
        }
        // The model as at inference is the one before the training passes move its statistics.
        step.frozen();
        let clean = step.logits(CLEAN, step.batch().images.clone());
        let attack = self.attack.at(step)?;
        let images = step.perturb_from("attack", attack.as_ref(), clean.clone())?;
        let adversarial = step.logits(ADVERSARIAL, images);
        let divergence = kl_divergence(clean.clone(), adversarial.clone());
        let loss = step.cross_entropy(clean.clone()) + divergence.mul_scalar(self.beta);
        let losses = Losses::new(loss).with_score(CLEAN, step.hits(clean));
        Ok(with_robust(losses, step, adversarial))
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.attack.as_ref()]
    }

    fn passes(&self) -> u64 {
        2
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack: self.attack.replaced(attack), ..self.clone() }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_above_zero("beta", self.beta)?;
        let attack = &self.attack.attack;
        if attack.knobs().loss != Some(Loss::CrossEntropy) {
            let wanted = "one whose loss is a setting that is not set: the divergence takes its \
                          place";
            return Err(TrainingError::setting("attack", attack.name(), wanted));
        }
        self.attack.check(epochs)
    }
}
