//! Layers for images of any number of axes.

use crate::fields::grid::sizes;
use crate::fields::resized;
use burn::module::{Module, Param};
use burn::nn::{GroupNorm, GroupNormConfig, Initializer};
use burn::tensor::activation::relu;
use burn::tensor::module::{conv_transpose2d, conv_transpose3d, conv2d, conv3d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor};
use std::f64::consts::SQRT_2;

/// The same tensor under another name of its rank. `A` and `B` are equal.
fn rank<const A: usize, const B: usize>(x: Tensor<A>) -> Tensor<B> {
    let dims = x.dims();
    x.reshape::<B, _>(std::array::from_fn::<usize, B, _>(|axis| dims[axis]))
}

/// The shape of the weights of a convolution.
fn kernel_shape<const R: usize>(first: usize, second: usize, kernel: usize) -> [usize; R] {
    std::array::from_fn(|axis| [first, second].get(axis).copied().unwrap_or(kernel))
}

/// Weights by He et al.'s law for rectifiers.
fn he<const R: usize>(shape: [usize; R], fan_in: usize, device: &Device) -> Param<Tensor<R>> {
    let normal = Initializer::KaimingNormal { gain: SQRT_2, fan_out_only: false };
    normal.init_with(shape, Some(fan_in), None, device)
}

/// A convolution with an odd kernel, padded by zeros so that the size stays, or is divided by the
/// stride and rounded up.
fn convolved<const R: usize>(
    x: Tensor<R>,
    weight: Tensor<R>,
    bias: Tensor<1>,
    stride: usize,
) -> Tensor<R> {
    let reach = weight.dims()[2] / 2;
    match R {
        4 => {
            let options = ConvOptions::new([stride; 2], [reach; 2], [1; 2], 1);
            rank(conv2d(rank(x), rank(weight), Some(bias), options))
        }
        _ => {
            let options = ConvOptions::new([stride; 3], [reach; 3], [1; 3], 1);
            rank(conv3d(rank(x), rank(weight), Some(bias), options))
        }
    }
}

/// A convolution with an odd kernel that keeps the size, or divides it by its stride.
#[derive(Module, Debug)]
pub(crate) struct Conv<const R: usize> {
    weight: Param<Tensor<R>>,
    bias: Param<Tensor<1>>,
    stride: usize,
}

impl<const R: usize> Conv<R> {
    pub fn new(input: usize, output: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        let fan_in = input * kernel.pow(R as u32 - 2);
        let weight = he(kernel_shape(output, input, kernel), fan_in, device);
        Self { weight, bias: Initializer::Zeros.init([output], device), stride }
    }

    pub fn forward(&self, x: Tensor<R>) -> Tensor<R> {
        convolved(x, self.weight.val(), self.bias.val(), self.stride)
    }
}

/// A convolution from features to a field, zero at first. Its parameters are no `weight` and
/// `bias`, so that `keyed_init` leaves them at zero.
#[derive(Module, Debug)]
pub(super) struct Head<const R: usize> {
    kernel: Param<Tensor<R>>,
    offset: Param<Tensor<1>>,
}

impl<const R: usize> Head<R> {
    pub fn new(input: usize, kernel: usize, device: &Device) -> Self {
        let kernel = Initializer::Zeros.init(kernel_shape::<R>(R - 2, input, kernel), device);
        Self { kernel, offset: Initializer::Zeros.init([R - 2], device) }
    }

    pub fn forward(&self, x: Tensor<R>) -> Tensor<R> {
        convolved(x, self.kernel.val(), self.offset.val(), 1)
    }
}

/// A convolution and group norm.
#[derive(Module, Debug)]
pub(super) struct ConvNorm<const R: usize> {
    conv: Conv<R>,
    norm: GroupNorm,
}

impl<const R: usize> ConvNorm<R> {
    pub fn new(input: usize, output: usize, kernel: usize, groups: usize, device: &Device) -> Self {
        let norm = GroupNormConfig::new(groups, output).init(device);
        Self { conv: Conv::new(input, output, kernel, 1, device), norm }
    }

    pub fn forward(&self, x: Tensor<R>) -> Tensor<R> {
        self.norm.forward(self.conv.forward(x))
    }
}

/// A residual block and max pooling: the block's features, and those pooled.
#[derive(Module, Debug)]
pub(super) struct Down<const R: usize> {
    first: ConvNorm<R>,
    second: ConvNorm<R>,
    third: ConvNorm<R>,
}

impl<const R: usize> Down<R> {
    pub fn new(
        [input, output]: [usize; 2],
        [first, kernel]: [usize; 2],
        groups: usize,
        device: &Device,
    ) -> Self {
        Self {
            first: ConvNorm::new(input, output, first, groups, device),
            second: ConvNorm::new(output, output, kernel, groups, device),
            third: ConvNorm::new(output, output, kernel, groups, device),
        }
    }

    pub fn forward(&self, x: Tensor<R>) -> [Tensor<R>; 2] {
        let first = relu(self.first.forward(x));
        let second = relu(self.second.forward(first.clone()));
        let features = relu(self.third.forward(second) + first);
        [features.clone(), max_pool(features)]
    }
}

/// The largest of each two voxels along every axis, and the last one by itself where their number
/// is odd.
fn max_pool<const R: usize>(x: Tensor<R>) -> Tensor<R> {
    (2..R).fold(x, |x, axis| {
        let voxels = x.dims()[axis];
        let x = match voxels % 2 {
            0 => x,
            _ => Tensor::cat(vec![x.clone(), x.narrow(axis, voxels - 1, 1)], axis),
        };
        let mut dims = x.dims();
        dims[axis] /= 2;
        let before: usize = dims[..axis + 1].iter().product();
        let after: usize = dims[axis + 1..].iter().product();
        let pairs = x.reshape([before, 2 * after]);
        let largest = pairs.clone().narrow(1, 0, after).max_pair(pairs.narrow(1, after, after));
        largest.reshape(dims)
    })
}

/// A transposed convolution of stride 2 beside additive upsampling, the sum with a skip, and a
/// residual block.
#[derive(Module, Debug)]
pub(super) struct Up<const R: usize> {
    weight: Param<Tensor<R>>,
    bias: Param<Tensor<1>>,
    norm: GroupNorm,
    second: ConvNorm<R>,
    third: ConvNorm<R>,
}

impl<const R: usize> Up<R> {
    /// From twice `channels` to `channels`.
    pub fn new(channels: usize, kernel: usize, groups: usize, device: &Device) -> Self {
        // Each voxel sums over a 2^axes-th of the kernel.
        let fan_in = (2 * channels * kernel.pow(R as u32 - 2)) >> (R - 2);
        Self {
            weight: he(kernel_shape(2 * channels, channels, kernel), fan_in.max(1), device),
            bias: Initializer::Zeros.init([channels], device),
            norm: GroupNormConfig::new(groups, channels).init(device),
            second: ConvNorm::new(channels, channels, kernel, groups, device),
            third: ConvNorm::new(channels, channels, kernel, groups, device),
        }
    }

    /// Features of half the size of `skip`, rounded up, to features of its size.
    pub fn forward(&self, x: Tensor<R>, skip: Tensor<R>) -> Tensor<R> {
        let size = sizes(&skip);
        let doubled = relu(self.norm.forward(self.doubled(x.clone(), &size)));
        let features = doubled + halved_channels(resized(x, &size)) + skip;
        let second = relu(self.second.forward(features.clone()));
        relu(self.third.forward(second) + features)
    }

    /// The transposed convolution, to a size that halves to that of `x`.
    fn doubled(&self, x: Tensor<R>, size: &[usize]) -> Tensor<R> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        let reach = weight.dims()[2] / 2;
        let more = |axis: usize| (size[axis] + 1) % 2;
        match R {
            4 => {
                let more = [0, 1].map(more);
                let options = ConvTransposeOptions::new([2; 2], [reach; 2], more, [1; 2], 1);
                rank(conv_transpose2d(rank(x), rank(weight), bias, options))
            }
            _ => {
                let more = [0, 1, 2].map(more);
                let options = ConvTransposeOptions::new([2; 3], [reach; 3], more, [1; 3], 1);
                rank(conv_transpose3d(rank(x), rank(weight), bias, options))
            }
        }
    }
}

/// The sum of the first and the second half of the channels.
fn halved_channels<const R: usize>(x: Tensor<R>) -> Tensor<R> {
    let half = x.dims()[1] / 2;
    x.clone().narrow(1, 0, half) + x.narrow(1, half, half)
}
