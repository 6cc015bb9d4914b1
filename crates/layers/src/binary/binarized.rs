//! The signs of a weight as a module of Burn, written by hand so that visitors hear of them.

use super::Quantizer;
use crate::parameters::BINARIZED;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Reparameterization,
};
use burn::tensor::{Device, Tensor};

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

impl Module for Binarized {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        let reach = self.quantizer.reach().map_or("everywhere".into(), |reach| reach.to_string());
        visitor.enter_module(&reach, BINARIZED);
        visitor.exit_module(&reach, BINARIZED);
    }

    fn map<M: ModuleMapper>(self, _: &mut M) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

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
