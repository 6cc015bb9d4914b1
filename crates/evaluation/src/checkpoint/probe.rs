//! Probes: the answers by which a model is recognized when saved results are used again.

use cni_attacks::rows::read;
use cni_attacks::{
    AttackBatch, AttackError, Classifier, Eot, Loss, ModelAccess, Norm, Objective, Rows,
};
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// The number of images that are asked about.
const IMAGES: usize = 8;

/// The number of draws of a stochastic model.
const DRAWS: u64 = 4;

/// The largest difference of logits, relative to the largest logit. Another order of summation
/// changes them by less.
const LOGITS: f64 = 1e-3;

/// The largest difference of gradients, relative to the largest.
const GRADIENTS: f64 = 1e-2;

/// The probe of a model: its logits for a few images in a few draws of its noise, and its
/// gradients, to four digits.
///
/// Saved results belong to the model that made them. Predicted classes would not tell two accurate
/// models apart, and logits would not tell two backward passes of one forward pass apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Probe {
    logits: Vec<f64>,
    /// The length and the sum of each image's gradient; empty if the model has none.
    gradient: Vec<f64>,
}

impl Probe {
    /// Asks the model about the first images of a batch.
    pub fn of(
        classifier: &dyn Classifier,
        stochastic: bool,
        batch: &AttackBatch,
    ) -> Result<Self, AttackError> {
        let mut access = ModelAccess::new(classifier).with_stochastic(stochastic);
        let rows = (0..batch.len().min(IMAGES)).collect();
        let some = batch.select(&Rows::new(rows, &batch.images));
        let key = Key::new(0).named("fingerprint");
        let mut logits = Vec::new();
        for draw in 0..if stochastic { DRAWS } else { 1 } {
            let of_draw = access.logits(&some.images, &some.goal, &some.examples, key, draw)?;
            logits.extend(read(&of_draw).into_iter().map(rounded));
        }
        let objective = Objective::new(Loss::Margin, &some.goal);
        let found = access.gradient(&some.images, &objective, &some.examples, Eot::ONE, key);
        // A model without gradients is recognized by its logits alone.
        let gradient = found.map_or(Vec::new(), |found| {
            let sums = found.gradient.clone().flatten::<2>(1, 3).sum_dim(1);
            let all = read(&Norm::L2.length(found.gradient)).into_iter().chain(read(&sums));
            all.map(rounded).collect()
        });
        Ok(Self { logits, gradient })
    }

    /// True if both probes are of one model, up to rounding of its arithmetic.
    pub fn matches(&self, other: &Self) -> bool {
        near(&self.logits, &other.logits, LOGITS)
            && near(&self.gradient, &other.gradient, GRADIENTS)
    }
}

fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

fn near(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    let largest = a.iter().chain(b).fold(0.0f64, |most, value| most.max(value.abs()));
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * largest;
    a.len() == b.len() && a.iter().zip(b).all(close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor};
    use cni_attacks::{Goal, straight_through};

    fn batch() -> AttackBatch {
        let device = Device::flex();
        let images = cni_noise::uniform::<4>(Key::new(3), [4, 1, 2, 2], &device);
        let goal = Goal::Misclassify(Tensor::from_ints([0, 1, 0, 1], &device));
        AttackBatch::new(images, &goal, 0).unwrap()
    }

    fn margin(images: Tensor<4>) -> Tensor<2> {
        let margin = images.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.5);
        Tensor::cat(vec![margin.clone().neg(), margin], 1)
    }

    #[test]
    fn models_of_equal_classes_are_told_apart_and_rounding_is_not() {
        let of = |scale: f64| {
            let model = move |images: Tensor<4>| margin(images).mul_scalar(scale);
            Probe::of(&model, false, &batch()).unwrap()
        };
        assert!(of(10.0).matches(&of(10.0)) && of(10.0).matches(&of(10.0 * (1.0 + 1e-6))));
        assert!(!of(10.0).matches(&of(10.1)));
    }

    #[test]
    fn a_forward_pass_with_another_backward_pass_is_another_model() {
        let quantized = |images: Tensor<4>| {
            let steps = images.clone().mul_scalar(255.0).round().div_scalar(255.0);
            margin(steps + images.mul_scalar(0.0))
        };
        let adapted = |images: Tensor<4>| {
            margin(straight_through(images, |x| x.mul_scalar(255.0).round().div_scalar(255.0)))
        };
        let [a, b] = [
            Probe::of(&quantized, false, &batch()).unwrap(),
            Probe::of(&adapted, false, &batch()).unwrap(),
        ];
        assert_eq!(a.logits, b.logits);
        assert!(!a.matches(&b));
    }
}
