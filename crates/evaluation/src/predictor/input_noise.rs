//! Gaussian noise on the input.

use burn::tensor::Tensor;
use cni_attacks::within;
use cni_attacks::{AttackError, Classifier};
use cni_noise::{ExampleIds, Key, current_examples, layer_key, normal_rows};

/// A classifier behind Gaussian noise of standard deviation `sigma` on each pixel, in units of the
/// pixel range [0, 1].
///
/// The noise is drawn as that of a noisy layer: it obeys the scope of `cni-noise`, so that
/// `Noise::Off` silences it, and each example has its own. Noisy pixels are not clipped to [0, 1].
/// An attack with several draws on this classifier is that of SmoothAdv (Salman et al., arXiv
/// 1906.04584) for `Expectation::Probabilities`.
#[derive(Clone, Debug)]
pub struct InputNoise<C> {
    classifier: C,
    sigma: f64,
}

impl<C: Classifier> InputNoise<C> {
    /// The classifier under noise of this standard deviation; an error unless finite and at least
    /// 0.
    pub fn new(classifier: C, sigma: f64) -> Result<Self, AttackError> {
        Ok(Self { classifier, sigma: check_sigma(sigma)? })
    }
}

impl<C: Classifier> Classifier for InputNoise<C> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.classifier.logits(noisy_input(images, self.sigma))
    }
}

pub(crate) fn check_sigma(sigma: f64) -> Result<f64, AttackError> {
    within("sigma", sigma, |sigma| sigma >= 0.0, "a finite number of at least 0")
}

/// The images under the noise of the scope in force. Without noise no key is asked for, lest the
/// next in line get another.
pub(crate) fn noisy_input(images: Tensor<4>, sigma: f64) -> Tensor<4> {
    if sigma == 0.0 {
        return images;
    }
    match layer_key("input_noise", &images.device()) {
        Some(key) => add_gaussian(images, sigma, key, &current_examples()),
        None => images,
    }
}

/// The images plus Gaussian noise, each row that of its example.
pub(crate) fn add_gaussian(
    images: Tensor<4>,
    sigma: f64,
    key: Key,
    examples: &ExampleIds,
) -> Tensor<4> {
    let noise = normal_rows(key, examples, &images);
    images + noise.mul_scalar(sigma)
}
