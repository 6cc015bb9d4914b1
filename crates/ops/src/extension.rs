//! The operations as Burn sees them: on Flex, and on Flex with gradients.

use crate::cells::Units;
use crate::chain::{Plan, Wanted, forward_of};
use crate::flex::{self, Geometry};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, backend_extension};
use std::sync::Arc;

/// Operations on activations `[batch, channels, height, width]` with vectors of one value a
/// channel. The forms that end in `add` take a residual, which is added before the rectifier.
#[backend_extension(Flex, Autodiff)]
pub trait FastOps: Backend {
    /// `x * weight + shift`, rectified where `relu` says so.
    fn fast_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self>;

    /// `x * weight + shift + residual`, rectified where `relu` says so.
    fn fast_conv2d_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self>;

    /// `x * scale + shift`, rectified where `relu` says so.
    fn fast_affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// `x * scale + shift + residual`, rectified where `relu` says so.
    fn fast_affine_add(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// Batch norm by the batch's own statistics, rectified where `relu` says so; and these
    /// statistics, mean and biased variance, as constants.
    fn fast_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// As `fast_norm`, with a residual.
    fn fast_norm_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// A chain, and the statistics of its batch norms as constants.
    fn fast_chain(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        plan: Arc<Plan>,
        units: Units,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `(x - mean) / std`, mean and std constants.
    fn fast_normalize(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        std: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The mean of each channel of each image, `[batch, channels]`.
    fn fast_spatial_mean(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl FastOps for Flex {
    fn fast_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        flex::conv2d(x, weight, shift, None, relu, geometry)
    }

    fn fast_conv2d_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        flex::conv2d(x, weight, shift, Some(residual), relu, geometry)
    }

    fn fast_affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        flex::affine(x, [scale, shift], None, relu)
    }

    fn fast_affine_add(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        flex::affine(x, [scale, shift], Some(residual), relu)
    }

    fn fast_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        flex::norm(x, [gamma, beta], None, epsilon, relu)
    }

    fn fast_norm_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        flex::norm(x, [gamma, beta], Some(residual), epsilon, relu)
    }

    fn fast_chain(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        plan: Arc<Plan>,
        units: Units,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (output, statistics, _) = forward_of(units, x, parameters, &plan, Wanted::default());
        (output, statistics)
    }

    fn fast_normalize(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        std: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        flex::normalize(x, [mean, std])
    }

    fn fast_spatial_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        flex::spatial_mean(x)
    }
}
