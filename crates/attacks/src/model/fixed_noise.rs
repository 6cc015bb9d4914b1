//! A stochastic model under one draw of its noise.

use super::classifier::Classifier;
use burn::tensor::Tensor;
use cni_noise::{Key, Noise, current_examples, current_noise, scope_at};

/// A stochastic model with fixed noise: every pass has the same draw.
///
/// An attack on this model meets the defence without its randomness, and the defence must then
/// break as any model does (Carlini et al., arXiv 1902.06705, section 5.2). Noise stays off if the
/// caller's scope has switched it off.
#[derive(Clone, Debug)]
pub struct FixedNoise<C> {
    classifier: C,
    key: Key,
}

impl<C: Classifier> FixedNoise<C> {
    /// The classifier under the draw of `key`.
    pub fn new(classifier: C, key: Key) -> Self {
        Self { classifier, key }
    }
}

impl<C: Classifier> Classifier for FixedNoise<C> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let noise = match current_noise() {
            Noise::Off => Noise::Off,
            Noise::Fresh | Noise::Keyed(_) => Noise::Keyed(self.key),
        };
        scope_at(noise, current_examples(), || self.classifier.logits(images))
    }
}
