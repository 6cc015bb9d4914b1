//! From layers to a plan.

use super::plan::{Conv, Node, Norm, Plan};
use super::steps::{Chain, Step};
use crate::batch_norm::fast as norms;
use crate::cells::{Layout, Shape};
use crate::conv::options;
use crate::extension::FastOps;
use crate::precision::{Precision, current_precision};
use crate::shape::conv2d_output_size;
use burn::backend::Dispatch;
use burn::nn::{BatchNorm, Linear};
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// Runs a chain as one operation; `None` if it has to run layer by layer.
pub fn run(chain: &Chain, x: &Tensor<4>, mean: bool) -> Option<Tensor<4>> {
    if !applies(x) || chain.steps.is_empty() {
        return None;
    }
    let mut compiler = Compiler::new(x);
    for (index, step) in chain.steps.iter().enumerate() {
        let read_later = |step: &Step| {
            step.reads().into_iter().flatten().any(|value| value.index() == index + 1)
        };
        if index + 1 < chain.steps.len() && !chain.steps[index + 1..].iter().any(read_later) {
            return None;
        }
        compiler.step(step)?;
    }
    Some(compiler.run(x.clone(), mean))
}

/// A convolution alone, with its bias.
pub fn single(layer: &Conv2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let mut chain = Chain::new();
    chain.conv2d(layer, chain.input(), Default::default());
    run(&chain, x, false)
}

/// A linear layer, `[rows, d_input]` to `[rows, d_output]`: a convolution of images of one pixel.
pub fn linear(layer: &Linear, x: &Tensor<2>) -> Option<Tensor<2>> {
    let ([rows, inputs], [wanted, outputs]) = (x.dims(), layer.weight.lazy_shape().dims());
    let x = x.clone().reshape([rows, inputs, 1, 1]);
    if !applies(&x) || inputs != wanted || outputs == 0 || layer.weight.dtype() != DType::F32 {
        return None;
    }
    let mut compiler = Compiler::new(&x);
    let weight = compiler.push(layer.weight.val().transpose());
    let norm = match &layer.bias {
        Some(bias) => Norm::Shift(compiler.push(bias.val())),
        None => Norm::None,
    };
    let [input, layout] = [inputs, outputs].map(|channels| Layout::new(rows, channels, [1, 1]));
    let (kernel, stride, padding) = ([1, 1], [1, 1], [0, 0]);
    let shape = Shape { input, output: layout, kernel, stride, padding };
    let conv = Some(Conv { shape, weight });
    compiler.plan.nodes.push(Node { input: 0, conv, norm, residual: None, relu: false, layout });
    Some(compiler.run(x, false).reshape([rows, outputs]))
}

/// True if the kernels for half precision take this input.
fn applies(x: &Tensor<4>) -> bool {
    current_precision() == Precision::Bf16 && norms::applies([x]) && super::operation::in_force()
}

/// A plan as far as it goes.
struct Compiler<'a> {
    trains: bool,
    device: burn::tensor::Device,
    plan: Plan,
    parameters: Vec<Tensor<1>>,
    len: usize,
    norms: Vec<&'a BatchNorm>,
}

impl<'a> Compiler<'a> {
    fn new(x: &Tensor<4>) -> Self {
        let [batch, channels, height, width] = x.dims();
        let input = Layout::new(batch, channels, [height, width]);
        let plan = Plan { input, nodes: Vec::new(), mean: false, statistics: 0 };
        let (trains, device) = (x.device().is_autodiff(), x.device());
        Self { trains, device, plan, parameters: Vec::new(), len: 0, norms: Vec::new() }
    }

    fn push<const D: usize>(&mut self, parameter: Tensor<D>) -> Range<usize> {
        let first = self.len;
        self.len += parameter.shape().num_elements();
        self.parameters.push(parameter.flatten(0, D - 1));
        first..self.len
    }

    fn step(&mut self, step: &Step<'a>) -> Option<()> {
        let node = match step {
            Step::Layer { input, conv, norm, after } => {
                let (input, residual) = (input.index(), after.residual.map(|value| value.index()));
                let from = self.plan.layout(input);
                let conv_plan = match conv {
                    Some(conv) => Some(self.shape(conv, from)?),
                    None => None,
                };
                let layout = conv_plan.map_or(from, |shape| shape.output);
                if residual.is_some_and(|residual| self.plan.layout(residual) != layout) {
                    return None;
                }
                let (weight, norm) = self.parameters_of(*conv, *norm, layout, input)?;
                let conv = conv_plan.zip(weight).map(|(shape, weight)| Conv { shape, weight });
                Node { input, conv, norm, residual, relu: after.relu, layout }
            }
            Step::Subsample { input, stride, channels } => {
                self.subsample(input.index(), *stride, *channels)
            }
            Step::Apply { .. } => return None,
        };
        self.plan.nodes.push(node);
        Some(())
    }

    /// The shape of a convolution that the kernels take.
    fn shape(&self, conv: &Conv2d, input: Layout) -> Option<Shape> {
        let [outputs, kernel_channels, rows, columns] = conv.weight.lazy_shape().dims();
        let options = options(conv, input.size);
        let plain = options.groups == 1 && options.dilation == [1, 1];
        if !plain || kernel_channels != input.channels || conv.weight.dtype() != DType::F32 {
            return None;
        }
        let (kernel, stride) = ([rows, columns], options.stride);
        let size = conv2d_output_size(input.size, kernel, stride, [1, 1], options.padding)?;
        let output = Layout::new(input.batch, outputs, size);
        if size.contains(&0) || outputs == 0 {
            return None;
        }
        let padding = options.padding_begin();
        Some(Shape { input, output, kernel, stride, padding })
    }

    /// The parameters of a layer: its weight, and what follows.
    fn parameters_of(
        &mut self,
        conv: Option<&'a Conv2d>,
        norm: Option<&'a BatchNorm>,
        layout: Layout,
        input: usize,
    ) -> Option<(Option<Range<usize>>, Norm)> {
        if norm.is_some_and(|norm| norm.gamma.lazy_shape()[0] != layout.channels) {
            return None;
        }
        let bias = conv.and_then(|conv| conv.bias.as_ref());
        match (conv, norm) {
            (None, None) => None,
            (Some(conv), None) => {
                let weight = self.push(conv.weight.val());
                let norm = match bias {
                    Some(bias) => Norm::Shift(self.push(bias.val())),
                    None => Norm::None,
                };
                Some((Some(weight), norm))
            }
            (conv, Some(norm)) if self.trains && norm.training.is_enabled() => {
                // The bias would go into the running mean. Sums of the input are not at hand.
                if bias.is_some() || conv.is_none() && input == 0 {
                    return None;
                }
                let weight = conv.map(|conv| self.push(conv.weight.val()));
                let [gamma, beta] = [&norm.gamma, &norm.beta].map(|vector| self.push(vector.val()));
                let statistics = self.plan.statistics;
                self.plan.statistics += 2 * layout.channels;
                self.norms.push(norm);
                let epsilon = norm.epsilon;
                Some((weight, Norm::Batch { gamma, beta, epsilon, statistics }))
            }
            (Some(conv), Some(norm)) => {
                let [scale, mut shift] = norms::running(norm);
                if let Some(bias) = bias {
                    shift = shift + bias.val() * scale.clone();
                }
                let weight = conv.weight.val() * scale.reshape([-1, 1, 1, 1]);
                let weight = self.push(weight);
                Some((Some(weight), Norm::Shift(self.push(shift))))
            }
            (None, Some(norm)) => {
                let [scale, shift] = norms::running(norm).map(|vector| self.push(vector));
                Some((None, Norm::Affine { scale, shift }))
            }
        }
    }

    /// As a convolution with ones and zeros.
    fn subsample(&mut self, input: usize, stride: usize, [before, behind]: [usize; 2]) -> Node {
        let from = self.plan.layout(input);
        let channels = from.channels;
        let outputs = before + channels + behind;
        let mut weight = vec![0.0f32; outputs * channels];
        for channel in 0..channels {
            weight[(before + channel) * channels + channel] = 1.0;
        }
        let data = TensorData::new(weight, [outputs * channels]);
        let weight = self.push(Tensor::<1>::from_data(data, &self.device.clone().inner()));
        let size = from.size.map(|size| (size - 1) / stride + 1);
        let layout = Layout::new(from.batch, outputs, size);
        let (kernel, stride) = ([1, 1], [stride, stride]);
        let shape = Shape { input: from, output: layout, kernel, stride, padding: [0, 0] };
        let conv = Some(Conv { shape, weight });
        Node { input, conv, norm: Norm::None, residual: None, relu: false, layout }
    }

    fn run(mut self, x: Tensor<4>, mean: bool) -> Tensor<4> {
        self.plan.mean = mean;
        let tracked = self.parameters.iter().any(|parameter| parameter.device().is_autodiff());
        if tracked {
            // All on one device; constants stay constants.
            let parts = self.parameters.drain(..);
            self.parameters = parts
                .map(|part| match part.device().is_autodiff() {
                    true => part,
                    false => Tensor::from_inner(part),
                })
                .collect();
        }
        let parameters = Tensor::cat(self.parameters, 0);
        let plan = Arc::new(self.plan);
        let (out, statistics) =
            Dispatch::fast_chain(x.into_dispatch(), parameters.into_dispatch(), plan.clone());
        let statistics = Tensor::<1>::from_dispatch(statistics).detach();
        let of_batch = plan.nodes.iter().filter_map(|node| match node.norm {
            Norm::Batch { statistics, .. } => Some((statistics, node.layout.channels)),
            _ => None,
        });
        for (norm, (first, channels)) in self.norms.into_iter().zip(of_batch) {
            let part = |at| statistics.clone().slice([at..at + channels]);
            norms::update_running(norm, part(first), part(first + channels));
        }
        Tensor::from_dispatch(out)
    }
}
