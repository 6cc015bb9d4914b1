//! Stands in for the kernels where none are built.

use super::{FusedNoise, NoiseRows};
use crate::draw::{Distribution, Stream};
use burn::tensor::{Shape, Tensor, TensorCreationOptions};
use std::convert::Infallible;

/// Noise that a device has kernels for: none.
#[derive(Clone, Copy, Debug)]
pub struct NoiseLaunch(Infallible);

impl NoiseLaunch {
    /// `None`: no kernels are built.
    pub fn new<const D: usize>(_: &FusedNoise, _: &NoiseRows, _: &Tensor<D>) -> Option<Self> {
        None
    }

    /// The tensor plus its noise.
    pub fn add<const D: usize>(self, _: FusedNoise, _: Tensor<D>) -> Tensor<D> {
        match self.0 {}
    }
}

pub fn fill<const D: usize>(
    _: Distribution,
    _: Stream,
    _: &Shape,
    _: &TensorCreationOptions,
) -> Option<Tensor<D>> {
    None
}
