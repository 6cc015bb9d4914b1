//! The operations with gradients, on Flex.

use crate::backward::{Mean, Normalize};
use crate::cells::Units;
use crate::chain::{Plan, Wanted, forward_of};
use crate::extension::FastOps;
use crate::flex::{self, Geometry};
use crate::recorded::{
    AffineInputs, ChainBackward, Conv2dInputs, MeanBackward, NormInputs, NormalizeBackward,
    Tracked, record,
};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use std::sync::Arc;

impl<C: CheckpointStrategy> FastOps for Autodiff<Flex, C> {
    fn fast_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        Conv2dInputs::<C> { x, weight, shift, residual: None }.run(relu, geometry)
    }

    fn fast_conv2d_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        Conv2dInputs::<C> { x, weight, shift, residual: Some(residual) }.run(relu, geometry)
    }

    fn fast_affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        AffineInputs::<C> { x, scale, shift, residual: None }.run(relu)
    }

    fn fast_affine_add(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        AffineInputs::<C> { x, scale, shift, residual: Some(residual) }.run(relu)
    }

    fn fast_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        NormInputs::<C> { x, gamma, beta, residual: None }.run(epsilon, relu)
    }

    fn fast_norm_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        NormInputs::<C> { x, gamma, beta, residual: Some(residual) }.run(epsilon, relu)
    }

    fn fast_chain(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        plan: Arc<Plan>,
        units: Units,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let wanted = Wanted { input: x.is_tracked(), parameters: parameters.is_tracked() };
        let nodes = [x.node(), parameters.node()];
        let (output, statistics, state) =
            forward_of(units, x.into_primitive(), parameters.into_primitive(), &plan, wanted);
        let output = record::<C, _, _>(ChainBackward, nodes, output, |_| state);
        (output, Tracked::<C>::new(statistics))
    }

    fn fast_normalize(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        std: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let std = std.into_primitive();
        let output = flex::normalize(x.primitive().clone(), [mean.into_primitive(), std.clone()]);
        record::<C, _, _>(NormalizeBackward, [x.node()], output, |_| Normalize { std })
    }

    fn fast_spatial_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let output = flex::spatial_mean(x.primitive().clone());
        let keep = |_: &FlexTensor| Mean { dims: x.shape().dims() };
        record::<C, _, _>(MeanBackward, [x.node()], output, keep)
    }
}
