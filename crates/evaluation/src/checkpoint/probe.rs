//! What a model is known by when saved results are taken up again.

use cni_attacks::rows::read;
use cni_attacks::{
    AttackBatch, AttackError, Classifier, Eot, Loss, ModelAccess, Norm, Objective, Rows,
};
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// Images that are asked about.
const IMAGES: usize = 8;

/// Draws of a stochastic model.
const DRAWS: u64 = 4;

/// How far logits may lie apart, in the largest of them: another order of summation moves them by
/// less.
const LOGITS: f64 = 1e-3;

/// The same of gradients.
const GRADIENTS: f64 = 1e-2;

/// What a model says to a few images: its logits in a few draws of its noise, and its gradient, to
/// four digits.
///
/// Saved results belong to the model that they were made with. Classes would not tell two accurate
/// models apart, nor logits one forward pass with two backward passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Probe {
    logits: Vec<f64>,
    /// Length and sum of each image's gradient; empty where there is none.
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
        // A model without gradients has none to be known by.
        let gradient = found.map_or(Vec::new(), |found| {
            let sums = found.gradient.clone().flatten::<2>(1, 3).sum_dim(1);
            let all = read(&Norm::L2.length(found.gradient)).into_iter().chain(read(&sums));
            all.map(rounded).collect()
        });
        Ok(Self { logits, gradient })
    }

    /// Whether it is the same model, to the rounding of its arithmetic.
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
