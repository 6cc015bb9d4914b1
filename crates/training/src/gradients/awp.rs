use super::GradientRule;
use crate::parameters::{NOISE_GROUP, Parameter};
use crate::step::{Step, StepGradients};
use crate::{Objective, StepError, TrainingError};
use cni_attacks::Passes;
use cni_attacks::weights::relative;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Adversarial weight perturbation (Wu et al., arXiv 2004.05884, algorithm 1): the gradient at
/// weights that one step of ascent has moved against the model.
///
/// Every weight tensor of more than one axis moves by `γ ‖w‖ g / ‖g‖` along the gradient g of the
/// objective; biases, norms and the parameters of noise stay. The gradient at the moved weights is
/// then applied to the weights themselves, which keep no trace of the perturbation. A step costs
/// two forward and two backward passes of the objective; its adversarial images are made once, for
/// the model as it is, and both passes have the same noise. What a run reports are losses and
/// scores of the model as it is.
///
/// Running statistics of batch norm move once a step, by the pass at the moved weights, as in the
/// authors' code. That code also adds the perturbation to the weights before the optimizer's step
/// and takes it away after it, so that its weight decay is one of the moved weights; here it is one
/// of the weights.
///
/// The worst direction of a share of a batch is not that of the whole, so that the rule is not
/// [additive](GradientRule::is_additive): a run on several devices or with accumulated gradients
/// refuses it.
///
/// ```
/// use cni_training::{Awp, Gradient, Objective, TrainingConfig};
/// let config = TrainingConfig {
///     gradient: Awp::new(Awp::TRADES).with_start_epoch(10).into(),
///     ..TrainingConfig::new(100, Objective::clean())
/// };
/// assert_eq!(Gradient::awp(0.01).spec()["gamma"], Awp::ADVERSARIAL);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awp {
    /// The radius γ, a share of each tensor's norm.
    gamma: f64,
    /// The first epoch that perturbs, counted from 0.
    #[serde(default)]
    start_epoch: usize,
}

impl Awp {
    /// The radius of the paper for adversarial training, γ = 0.01.
    pub const ADVERSARIAL: f64 = 0.01;

    /// The radius of the paper for TRADES, γ = 0.005.
    pub const TRADES: f64 = 0.005;

    pub(super) const NAME: &str = "awp";

    /// Weights perturbed by a share `gamma` of their norm, from the first epoch on.
    pub fn new(gamma: f64) -> Self {
        Self { gamma, start_epoch: 0 }
    }

    /// Takes the plain gradient before this epoch, counted from 0: the warm-up of the authors'
    /// code.
    pub fn with_start_epoch(self, start_epoch: usize) -> Self {
        Self { start_epoch, ..self }
    }
}

impl GradientRule for Awp {
    fn spec(&self) -> Value {
        named_spec("gradient", Self::NAME, self)
    }

    fn check(&self) -> Result<(), TrainingError> {
        match self.gamma.is_finite() && self.gamma > 0.0 {
            true => Ok(()),
            false => {
                let wanted = "a finite number above 0, or the backward rule";
                Err(TrainingError::setting("gamma", self.gamma, wanted))
            }
        }
    }

    fn first_epoch(&self) -> usize {
        self.start_epoch
    }

    /// The objective is evaluated and differentiated once more; its adversarial images stay.
    fn extra_passes(&self, objective: &Objective) -> Passes {
        objective.passes_of_losses()
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        if step.epoch() < self.start_epoch {
            return Ok(step.backward(objective.losses(step)?));
        }
        let apart = step.apart();
        let StepGradients { gradients, losses } = apart.backward(objective.losses(&apart)?);
        let moved = step.weights().filter(is_moved).map(|tensor, weight| {
            match gradients.get(&tensor.path) {
                Some(gradient) => weight.clone() + relative(gradient.clone(), &weight, self.gamma),
                None => weight,
            }
        });
        let moved = step.at(moved);
        let StepGradients { gradients, .. } = moved.backward(objective.losses(&moved)?);
        Ok(StepGradients { gradients, losses })
    }
}

/// True for a weight: a tensor of more than one axis that is no noise's.
fn is_moved(tensor: &Parameter) -> bool {
    tensor.shape.len() > 1 && !tensor.is_in(NOISE_GROUP)
}
