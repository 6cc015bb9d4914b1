use super::GradientRule;
use crate::parameters::ParameterValues;
use crate::step::{Losses, Step, StepGradients};
use crate::{Objective, StepError, TrainingError};
use burn::tensor::Tensor;
use cni_attacks::Passes;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The mean over the batch of the gradients of single examples, each scaled so that its norm over
/// all parameters together is at most `max_norm` (Abadi et al., arXiv 1607.00133, algorithm 1,
/// without its noise).
///
/// By layers, each of the m parameter tensors of an example's gradient is scaled by itself, to a
/// norm of at most `max_norm` / √m, so that all together stay within `max_norm` too. A tensor with
/// large gradients then takes nothing from the others.
///
/// Convolutions, linear layers and norms of a single example are differentiated as they are; noise
/// on weights is the one draw of the batch. A model with batch norm in training is refused, since
/// its examples have no gradients of their own; a frozen one is not. A layer of one's own that
/// mixes examples is not recognised.
///
/// The cost: a forward and a backward pass for each example alone, which use a processor worse than
/// one pass over the batch. An objective that attacks does so for the whole batch at once, and for
/// that its losses are computed once more, without a backward pass. The score `clipped` is the
/// share of examples whose gradient was longer than `max_norm`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerExampleClip {
    /// The largest norm of an example's gradient, above 0. It is the norm of the gradient of the
    /// example's own loss, whatever the size of the batch.
    pub max_norm: f64,
    /// True if every parameter tensor is clipped by itself, to an equal share of `max_norm`.
    #[serde(default)]
    pub per_layer: bool,
}

impl PerExampleClip {
    pub(super) const NAME: &str = "per_example_clip";

    /// The score of examples that were clipped.
    const CLIPPED: &str = "clipped";

    /// Gradients clipped over all parameters together.
    pub fn new(max_norm: f64) -> Self {
        Self { max_norm, per_layer: false }
    }

    /// Clips every parameter tensor by itself.
    pub fn per_layer(self) -> Self {
        Self { per_layer: true, ..self }
    }

    /// The gradient of one example with a norm of at most `max_norm`, and 1 if it was longer, else
    /// 0. `whole` is the factor that the gradient lacks, `layers` the number of parameter tensors.
    fn clipped(
        &self,
        gradient: ParameterValues,
        whole: f64,
        layers: usize,
    ) -> (ParameterValues, Option<Tensor<1>>) {
        let max =
            if self.per_layer { self.max_norm / (layers as f64).sqrt() } else { self.max_norm };
        let beyond = |norm: Tensor<1>| norm.greater_elem(max).float();
        // The inverse of a norm of zero is infinite, and the scale 1.
        let scale = |norm: Tensor<1>| norm.recip().mul_scalar(max).clamp_max(1.0);
        if !self.per_layer {
            let Some(norm) = gradient.norm().map(|norm| norm.mul_scalar(whole)) else {
                return (gradient, None);
            };
            let scale = scale(norm.clone());
            return (gradient.map(|_, part| part * scale.clone()), Some(beyond(norm)));
        }
        let mut longer: Option<Tensor<1>> = None;
        let clipped = gradient.map(|_, part| {
            let norm = part.clone().square().sum().sqrt().mul_scalar(whole);
            let own = beyond(norm.clone());
            longer = Some(match longer.take() {
                Some(longer) => longer.max_pair(own),
                None => own,
            });
            part * scale(norm)
        });
        (clipped, longer)
    }
}

impl GradientRule for PerExampleClip {
    fn spec(&self) -> Value {
        named_spec("gradient", Self::NAME, self)
    }

    fn check(&self) -> Result<(), TrainingError> {
        if self.max_norm.is_finite() && self.max_norm > 0.0 {
            return Ok(());
        }
        Err(TrainingError::setting("max_norm", self.max_norm, "a finite number above 0"))
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        if let Some(layer) = step.mixing_layer() {
            let wanted = "a model without batch statistics, or with frozen ones: they mix examples";
            return Err(StepError::contract(Self::NAME, "model", layer, wanted));
        }
        // Attacks are made once, for all examples: their parts have the images.
        if !objective.attacks().is_empty() {
            objective.losses(step)?;
        }
        let layers = step.weights().len();
        let (examples, whole) = (step.batch().images.dims()[0], step.batch().whole as f64);
        let mut sum = ParameterValues::default();
        let (mut parts, mut scores) = (Vec::new(), Vec::new());
        for example in 0..examples {
            let part = step.part(example..example + 1);
            let StepGradients { gradients, losses } = part.backward(objective.losses(&part)?);
            let (clipped, longer) = self.clipped(gradients, whole, layers);
            scores.push(longer.unwrap_or_else(|| losses.loss().zeros_like()));
            sum = sum.sum(clipped);
            parts.push(losses);
        }
        let empty = || StepError::contract(Self::NAME, "examples", 0, "at least 1");
        let losses = Losses::joined(parts).ok_or_else(empty)?;
        let losses = losses.with_score(Self::CLIPPED, Tensor::cat(scores, 0));
        Ok(StepGradients { gradients: sum, losses })
    }

    /// Adversarial images are made by an evaluation of the objective that is not differentiated.
    fn extra_passes(&self, objective: &Objective) -> Passes {
        match objective.attacks().is_empty() {
            true => Passes::default(),
            false => Passes { backwards: 0, ..objective.passes_of_losses() },
        }
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn separates_examples(&self) -> bool {
        true
    }

    fn scores(&self) -> Vec<String> {
        vec![Self::CLIPPED.to_string()]
    }
}
