//! Layers that run in half precision: a chain, and a convolution or a linear layer alone.

use super::compile::Compiler;
use super::obstacle::Obstacle;
use super::plan::{Conv, Node};
use super::steps::Chain;
use crate::batch_norm::fast::applies;
use crate::cells::{Layout, Shape, Units};
use crate::half_precision::HalfPrecision;
use crate::precision::{Precision, current_precision};
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Tensor};

/// Runs a chain as one operation; `None` if it has to run layer by layer.
pub fn run(chain: &Chain, x: &Tensor<4>, mean: bool) -> Option<Tensor<4>> {
    let units = units(x)?;
    // Reading a weight draws its noise: only what will run may do so.
    let compile = |reads| Compiler::of(chain, x.dims(), x.device().is_autodiff(), reads);
    compile(false).ok()?;
    Some(compile(true).ok()?.run(x.clone(), mean, units))
}

/// What keeps a chain from running as one operation on an input of this shape.
pub fn obstacle(chain: &Chain, input: [usize; 4]) -> Option<Obstacle> {
    Compiler::of(chain, input, true, false).err()
}

/// A convolution alone, with its bias.
pub fn single(layer: &Conv2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let mut chain = Chain::new();
    chain.conv2d(layer, chain.input(), Default::default());
    run(&chain, x, false)
}

/// A linear layer, `[.., d_input]` to `[.., d_output]`: a convolution of images of one pixel.
pub fn linear<const D: usize>(layer: &Linear, x: &Tensor<D>) -> Option<Tensor<D>> {
    let units = units(x)?;
    let (mut dims, [wanted, outputs]) = (x.dims(), layer.weight.lazy_shape().dims());
    let single = |dtype| dtype == DType::F32;
    let parameters =
        single(layer.weight.dtype()) && layer.bias.as_ref().is_none_or(|bias| single(bias.dtype()));
    if D < 2 || dims[D - 1] != wanted || outputs == 0 || !parameters {
        return None;
    }
    let (rows, inputs) = (dims[..D - 1].iter().product(), wanted);
    let x = x.clone().reshape([rows, inputs, 1, 1]);
    let mut compiler = Compiler::new(x.dims(), x.device().is_autodiff(), true);
    let weight = compiler.push(inputs * outputs, || layer.weight.val().transpose());
    let norm = compiler.bias(layer.bias.as_ref(), outputs);
    let [input, layout] = [inputs, outputs].map(|channels| Layout::new(rows, channels, [1, 1]));
    let (kernel, stride, padding) = ([1, 1], [1, 1], [0, 0]);
    let shape = Shape { input, output: layout, kernel, stride, padding };
    let conv = Some(Conv { shape, weight });
    compiler.plan.nodes.push(Node { input: 0, conv, norm, residual: None, relu: false, layout });
    dims[D - 1] = outputs;
    Some(compiler.run(x, false, units).reshape(dims))
}

/// The units that compute this input, if the kernels for half precision take it.
fn units<const D: usize>(x: &Tensor<D>) -> Option<Units> {
    let applies = current_precision() == Precision::Bf16 && applies([x]);
    if applies { HalfPrecision::units() } else { None }
}
