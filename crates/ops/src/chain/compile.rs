//! From layers to a plan.

use super::convolution::{shape, subsample};
use super::noise::ChainNoise;
use super::obstacle::{Obstacle, ObstacleReason};
use super::plan::{Conv, Node, Noise, Norm, Plan};
use super::steps::{Chain, Step};
use super::tables::tables;
use crate::batch_norm::fast as norms;
use crate::cells::{Layout, Units};
use crate::extension::FastOps;
use burn::backend::Dispatch;
use burn::module::Param;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Tensor};
use std::ops::Range;
use std::sync::Arc;

/// A plan as far as it goes.
pub struct Compiler<'a> {
    /// True if norms may use the statistics of the batch.
    trains: bool,
    /// True if parameters are read.
    reads: bool,
    pub plan: Plan,
    /// For the chain's input and each of its steps the value of the plan.
    values: Vec<usize>,
    parameters: Vec<Tensor<1>>,
    /// Values of all parameters.
    len: usize,
    /// Norms that use the statistics of the batch.
    norms: Vec<&'a BatchNorm>,
}

impl<'a> Compiler<'a> {
    pub fn new([batch, channels, height, width]: [usize; 4], trains: bool, reads: bool) -> Self {
        let input = Layout::new(batch, channels, [height, width]);
        let plan = Plan { input, nodes: Vec::new(), mean: false, statistics: 0 };
        let (values, parameters, norms) = (vec![0], Vec::new(), Vec::new());
        Self { trains, reads, plan, values, parameters, len: 0, norms }
    }

    pub fn of(
        chain: &Chain<'a>,
        input: [usize; 4],
        trains: bool,
        reads: bool,
    ) -> Result<Self, Obstacle> {
        let mut compiler = Self::new(input, trains, reads);
        let obstacle = |step, reason| Obstacle { step: step + 1, reason };
        if chain.steps.is_empty() {
            return Err(obstacle(0, ObstacleReason::Empty));
        }
        for (index, step) in chain.steps.iter().enumerate() {
            let reads_it =
                |step: &Step| step.reads().into_iter().flatten().any(|value| value.0 == index + 1);
            let later = &chain.steps[index + 1..];
            if !later.is_empty() && !later.iter().any(reads_it) {
                return Err(obstacle(index, ObstacleReason::Unread));
            }
            compiler.step(step).map_err(|reason| obstacle(index, reason))?;
        }
        // Steps that change nothing may have been all.
        match compiler.plan.nodes.is_empty() {
            true => Err(obstacle(0, ObstacleReason::Empty)),
            false => Ok(compiler),
        }
    }

    /// Takes a parameter of `len` values.
    pub fn push<const D: usize>(
        &mut self,
        len: usize,
        value: impl FnOnce() -> Tensor<D>,
    ) -> Range<usize> {
        let first = self.len;
        self.len += len;
        if self.reads {
            self.parameters.push(value().flatten(0, D - 1));
        }
        first..self.len
    }

    pub fn bias(&mut self, bias: Option<&Param<Tensor<1>>>, len: usize) -> Norm {
        match bias {
            Some(bias) => Norm::Shift(self.push(len, || bias.val())),
            None => Norm::None,
        }
    }

    fn step(&mut self, step: &Step<'a>) -> Result<(), ObstacleReason> {
        let (input, node) = match step {
            Step::Layer { input, conv, norm, after } => {
                let input = self.values[input.0];
                let residual = after.residual.map(|value| self.values[value.0]);
                let from = self.plan.layout(input);
                let shape = conv.map(|conv| shape(conv, from)).transpose()?;
                let layout = shape.map_or(from, |shape| shape.output);
                if residual.is_some_and(|residual| self.plan.layout(residual) != layout) {
                    return Err(ObstacleReason::Shape);
                }
                let (weight, norm) = self.parameters_of(*conv, *norm, layout)?;
                let conv = shape.zip(weight).map(|(shape, weight)| Conv { shape, weight });
                let node = Node { input, conv, norm, residual, relu: after.relu, layout };
                (input, (!node.is_identity()).then_some(node))
            }
            Step::Subsample { input, stride, channels } => {
                let input = self.values[input.0];
                let (shape, weight) = subsample(self.plan.layout(input), *stride, *channels)?;
                let weight = self.push(shape.output.channels * shape.input.channels, weight);
                let conv = Some(Conv { shape, weight });
                (input, Some(Node { conv, ..Node::identity(input, shape.output) }))
            }
            Step::Noise { input, noise } => {
                let input = self.values[input.0];
                let layout = self.plan.layout(input);
                let norm = self.noise(*noise, layout)?.map(Norm::Noise);
                (input, norm.map(|norm| Node { norm, ..Node::identity(input, layout) }))
            }
            Step::Apply { reason, .. } => return Err(reason.clone()),
        };
        // A step that changes nothing, such as noise that is off, stands for its input.
        self.values.push(match node {
            Some(node) => {
                self.plan.nodes.push(node);
                self.plan.nodes.len()
            }
            None => input,
        });
        Ok(())
    }

    /// What a draw of this noise adds, without tables where nothing is read yet; `None` if noise is
    /// off.
    fn noise(
        &mut self,
        noise: &dyn ChainNoise,
        layout: Layout,
    ) -> Result<Option<Noise>, ObstacleReason> {
        let Layout { batch, channels, size: [height, width], .. } = layout;
        let (dims, elements) = ([batch, channels, height, width], channels * height * width);
        if elements == 0 {
            return Err(ObstacleReason::Shape);
        }
        if !noise.is_shared(dims) {
            return Err(ObstacleReason::Noise);
        }
        if !self.reads {
            return Ok(Some(Noise::default()));
        }
        let Some((noise, rows)) = noise.draw(dims) else { return Ok(None) };
        let through_std = noise.through_std;
        let tables = tables(noise, rows, elements).ok_or(ObstacleReason::Noise)?;
        let term = |(power, table)| (power, self.push(elements, || table));
        let terms = tables.into_iter().map(term).collect();
        Ok(Some(Noise { terms, through_std }))
    }

    /// The parameters of a layer: its weight, and what follows.
    fn parameters_of(
        &mut self,
        conv: Option<&'a Conv2d>,
        norm: Option<&'a BatchNorm>,
        layout: Layout,
    ) -> Result<(Option<Range<usize>>, Norm), ObstacleReason> {
        let channels = layout.channels;
        let bias = conv.and_then(|conv| conv.bias.as_ref());
        let weights = conv.map_or(0, |conv| conv.weight.lazy_shape().num_elements());
        if norm.is_some_and(|norm| norm.gamma.lazy_shape()[0] != channels) {
            return Err(ObstacleReason::Shape);
        }
        let of_norm = norm.iter().flat_map(|norm| [&norm.gamma, &norm.beta]);
        if !of_norm.chain(bias).all(|vector| vector.dtype() == DType::F32) {
            return Err(ObstacleReason::ParameterType);
        }
        match (conv, norm) {
            (None, None) => Ok((None, Norm::None)),
            (Some(conv), None) => {
                let weight = self.push(weights, || conv.weight.val());
                Ok((Some(weight), self.bias(bias, channels)))
            }
            (conv, Some(norm)) if self.trains && norm.training.is_enabled() => {
                // The bias would have to be added to the running mean.
                if bias.is_some() {
                    return Err(ObstacleReason::BiasBeforeNorm);
                }
                let weight = conv.map(|conv| self.push(weights, || conv.weight.val()));
                let gamma = self.push(channels, || norm.gamma.val());
                let beta = self.push(channels, || norm.beta.val());
                let statistics = self.plan.statistics;
                self.plan.statistics += 2 * channels;
                self.norms.push(norm);
                let epsilon = norm.epsilon;
                Ok((weight, Norm::Batch { gamma, beta, epsilon, statistics }))
            }
            (conv, Some(norm)) => {
                // Read once: a parameter with noise has another draw each time.
                let running = self.reads.then(|| crate::batch_norm::running_affine(norm));
                let scale = || running.clone().expect("read where parameters are")[0].clone();
                let shift = || running.clone().expect("read where parameters are")[1].clone();
                let Some(conv) = conv else {
                    let scale = self.push(channels, scale);
                    return Ok((None, Norm::Affine { scale, shift: self.push(channels, shift) }));
                };
                let weight =
                    self.push(weights, || conv.weight.val() * scale().reshape([-1, 1, 1, 1]));
                let shift = self.push(channels, || match bias {
                    Some(bias) => shift() + bias.val() * scale(),
                    None => shift(),
                });
                Ok((Some(weight), Norm::Shift(shift)))
            }
        }
    }

    pub fn run(mut self, x: Tensor<4>, mean: bool, units: Units) -> Tensor<4> {
        self.plan.mean = mean;
        let parameters: Tensor<1> = match self.parameters.is_empty() {
            // Rectifiers and residual sums have none.
            true => Tensor::zeros([0], &x.device().inner()),
            false => Tensor::cat(self.parameters, 0),
        };
        let (x, parameters) = (x.into_dispatch(), parameters.into_dispatch());
        let plan = Arc::new(self.plan);
        let (out, statistics) = Dispatch::fast_chain(x, parameters, plan.clone(), units);
        let statistics = Tensor::<1>::from_dispatch(statistics).detach();
        let of_batch = plan.nodes.iter().filter_map(|node| match node.norm {
            Norm::Batch { statistics, .. } => Some((statistics, node.layout.channels)),
            _ => None,
        });
        for (norm, (first, channels)) in self.norms.into_iter().zip(of_batch) {
            let part = |at| statistics.clone().narrow(0, at, channels);
            norms::update_running(norm, part(first), part(first + channels));
        }
        Tensor::from_dispatch(out)
    }
}
