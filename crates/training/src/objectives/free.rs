use super::ObjectiveRule;
use super::adversarial::{ADVERSARIAL, with_robust};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use burn::tensor::Tensor;
use cni_attacks::{Ball, Threat};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Free adversarial training: the backward pass that moves the weights moves the images too (Shafahi
/// et al., arXiv 1904.12843, algorithm 1).
///
/// The loss is the cross-entropy at `x + δ`. After its backward pass `δ` takes a step along the
/// steepest direction of the threat's norm, `ε · sign ∇` in Linf, and is projected to ball and box.
/// It is carried on to the next step, which should show the same batch:
/// [`Sampler::replays`](cni_data::Sampler::replays) gives each batch several times, 8 in the paper,
/// and an epoch then takes as many times longer. Across batches `δ` stays as it is, row by row, as
/// in the paper; it begins at zero. A step takes one pass forwards and one backwards, and no attack.
///
/// Since each step goes on from the one before, a run has one device, no accumulation, and no
/// gradient rule but the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Free {
    /// The ball that the perturbation stays in.
    pub threat: Threat,
    /// The length of a step in the threat's norm, in units of the pixel range; by default ε.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_size: Option<f64>,
}

/// The name of the perturbation in the memory.
const PERTURBATION: &str = "perturbation";

impl Free {
    pub(super) const NAME: &str = "free";

    /// Steps of ε, as in the paper.
    pub fn new(threat: Threat) -> Self {
        Self { threat, step_size: None }
    }

    /// The images with the perturbation of the steps before, in ball and box.
    fn start(&self, step: &Step<'_>, clean: &Tensor<4>, ball: &Ball) -> Tensor<4> {
        let Some(carried) = step.recall(PERTURBATION) else { return clean.clone() };
        let ([n, channels, height, width], [values]) = (clean.dims(), carried.dims());
        let each = channels * height * width;
        // A last batch may have fewer rows than the ones before, and the next has more again.
        let rows = n.min(values / each);
        let change = carried.narrow(0, 0, rows * each).to_device(&clean.device());
        let change = change.reshape([rows, channels, height, width]);
        let change = match n - rows {
            0 => change,
            more => {
                let none = Tensor::zeros([more, channels, height, width], &clean.device());
                Tensor::cat(vec![change, none], 0)
            }
        };
        ball.project(clean.clone() + change)
    }

    /// Moves the perturbation along the gradient, and remembers it for the next step.
    fn follow(&self, step: &Step<'_>, ball: &Ball, at: Tensor<4>, gradient: Tensor<4>) {
        let size = self.step_size.unwrap_or(self.threat.epsilon());
        let change = ball.step(at, gradient, size) - step.batch().images.clone().inner();
        let values = change.shape().num_elements();
        let change = change.reshape([values]);
        let others = step.recall(PERTURBATION).filter(|carried| carried.dims()[0] > values);
        let all = match others {
            Some(carried) => {
                let rest = carried.dims()[0] - values;
                Tensor::cat(vec![change, carried.narrow(0, values, rest)], 0)
            }
            None => change,
        };
        step.remember(PERTURBATION, all);
    }
}

impl ObjectiveRule for Free {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let clean = step.batch().images.clone().inner();
        let ball = Ball::new(self.threat.norm(), self.threat.epsilon(), &clean);
        let start = self.start(step, &clean, &ball);
        let leaf = start.clone().autodiff().require_grad();
        let logits = step.logits(ADVERSARIAL, leaf.clone());
        let loss = step.cross_entropy(logits.clone());
        let rule = *self;
        step.after_backward(leaf, move |step, gradient| rule.follow(step, &ball, start, gradient));
        Ok(with_robust(Losses::new(loss), step, logits))
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn check(&self, _epochs: usize) -> Result<(), TrainingError> {
        let epsilon = self.threat.epsilon();
        if !(epsilon.is_finite() && epsilon > 0.0) {
            let wanted = "a radius above 0";
            return Err(TrainingError::setting("threat", self.threat, wanted));
        }
        let step_size = self.step_size.iter();
        step_size.copied().try_for_each(|size| super::check_above_zero("step_size", size).map(drop))
    }
}
