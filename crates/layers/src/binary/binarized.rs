//! The signs of a weight as a module of Burn, of which visitors hear.

use super::Quantizer;
use crate::parameters::{BINARIZED, announced};
use burn::module::{Content, ModuleDisplay, ModuleDisplayDefault, Reparameterization};
use burn::tensor::Tensor;

/// The signs of a latent weight, as Burn attaches them to it. Made by
/// [`BinaryWeights`](super::BinaryWeights).
#[derive(Clone, Debug)]
pub struct Binarized {
    quantizer: Quantizer,
}

impl Binarized {
    pub(super) fn new(quantizer: Quantizer) -> Self {
        Self { quantizer }
    }

    /// The quantizer.
    pub fn quantizer(&self) -> Quantizer {
        self.quantizer
    }
}

impl Reparameterization for Binarized {
    const NAME: &'static str = "binary";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        self.quantizer.forward(base)
    }
}

announced!(Binarized, |signs| {
    let reach = signs.quantizer.reach().map_or("everywhere".into(), |reach| reach.to_string());
    Some((reach, BINARIZED))
});

impl ModuleDisplayDefault for Binarized {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_debug_attribute("quantizer", &self.quantizer).optional()
    }
}

impl ModuleDisplay for Binarized {}

impl std::fmt::Display for Binarized {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.quantizer)
    }
}
