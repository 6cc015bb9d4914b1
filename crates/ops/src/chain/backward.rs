//! The gradients of a chain.

use super::forward::{Kept, Normalized, Wanted};
use super::plan::{Node, Norm};
use crate::cells::{
    Bits, Cells, Correlation, Epilogue, NormGradient, Plain, Product, Scaled, Source, Spread, Sum,
    Weights, images_sum, pass, weight_gradient,
};
use crate::flex::{Block, gradient_factors, inverse_std};
use std::sync::Arc;

/// The gradients of the images and of the parameters, those that are wanted, from that of the
/// output.
pub fn backward(
    kept: &Kept,
    parameters: &[f32],
    gradient: &[f32],
    wanted: Wanted,
) -> (Option<Block>, Option<Vec<f32>>) {
    let plan = &kept.plan;
    let count = plan.nodes.len();
    let mut gradients = Gradients {
        kept,
        wanted,
        readers: plan.readers(),
        found: vec![None; count + 1],
        sums: vec![Default::default(); count + 1],
        zeros: vec![0.0; plan.nodes.iter().map(|node| node.layout.channels).max().unwrap_or(0)],
    };
    let layout = plan.output();
    if plan.mean {
        let factor = 1.0 / (layout.size[0] * layout.size[1]) as f32;
        gradients.add(count, &Spread { values: gradient, factor, layout });
    } else {
        let cells = Cells::from_images(gradient, layout);
        gradients.add(count, &Plain(&cells));
    }
    let mut to_parameters = wanted.parameters.then(|| vec![0.0; parameters.len()]);
    for (index, node) in plan.nodes.iter().enumerate().rev() {
        let gradient = gradients.found[index + 1].take().expect("every value has a reader");
        let sums = std::mem::take(&mut gradients.sums[index + 1]);
        if let Some(residual) = node.residual {
            gradients.add_same(residual, &gradient);
        }
        let normalized = kept.normalized[index].as_ref();
        if let Some(out) = &mut to_parameters {
            vectors_gradient(node, normalized, &sums, out);
        }
        let gradient = match (&node.norm, &node.conv) {
            (Norm::Batch { gamma, epsilon, .. }, conv) => {
                let Normalized { x, mean, variance, .. } =
                    normalized.expect("kept for a norm's gradient");
                let gamma = &parameters[gamma.clone()];
                let (channels, sums) = ([gamma, variance], sums.each_ref().map(Vec::as_slice));
                let samples = node.layout.samples();
                let [a, b, c] = gradient_factors(channels, *epsilon, sums, samples);
                let factors = [&a[..], mean, &b, &c];
                let source = NormGradient { gradient: &gradient, x, factors };
                if conv.is_none() {
                    gradients.add(node.input, &source);
                    continue;
                }
                Arc::new(pass(kept.units, &source, Epilogue::default()).cells)
            }
            (Norm::Affine { scale, .. }, _) => {
                let scale = &parameters[scale.clone()];
                gradients.add(node.input, &Scaled { x: &gradient, scale });
                continue;
            }
            (Norm::Noise(noise), _) => {
                let deviation = kept.deviations[index].expect("kept for the gradient");
                let through_std = noise.through_std && wanted.reaches(node.input);
                let read = through_std || to_parameters.is_some();
                let sums = if read { images_sum(&gradient) } else { Vec::new() };
                if let Some(out) = &mut to_parameters {
                    noise.tables_gradient(deviation, &sums, out);
                }
                if through_std {
                    let slope =
                        deviation.slope_to_values(noise.slope(deviation, parameters, &sums));
                    let x = kept.value(node.input);
                    let [a, mean, b, c] = [1.0, deviation.mean, slope, 0.0]
                        .map(|value| vec![value; node.layout.channels]);
                    let factors = [&a[..], &mean, &b, &c];
                    let source = NormGradient { gradient: &gradient, x: &x, factors };
                    gradients.add(node.input, &source);
                } else {
                    gradients.add_same(node.input, &gradient);
                }
                continue;
            }
            (Norm::None, None) => {
                gradients.add_same(node.input, &gradient);
                continue;
            }
            (Norm::None | Norm::Shift(_), _) => gradient,
        };
        let conv = node.conv.as_ref().expect("what is left has a convolution");
        if let Some(out) = &mut to_parameters {
            let input = kept.value(node.input);
            let correlation = Correlation::forward(conv.shape);
            let out = &mut out[conv.weight.clone()];
            weight_gradient(kept.units, &correlation, &input, &gradient, out);
        }
        if wanted.reaches(node.input) {
            let correlation = Correlation::backward(conv.shape);
            let weight = &parameters[conv.weight.clone()];
            let weights = Weights::new(kept.units, &correlation, weight);
            let (correlation, weights) = (&correlation, &weights);
            gradients.add(node.input, &Product { correlation, weights, from: &gradient });
        }
    }
    let to_images = gradients.found[0].take().map(|gradient| gradient.to_images());
    (to_images, to_parameters)
}

/// The gradients of values, as far as they are found.
struct Gradients<'a> {
    kept: &'a Kept,
    wanted: Wanted,
    /// For each value how many parts of its gradient are still to come.
    readers: Vec<usize>,
    found: Vec<Option<Arc<Cells>>>,
    /// Of the gradients that are complete, where the node of the value wants them.
    sums: Vec<[Vec<f64>; 2]>,
    zeros: Vec<f32>,
}

impl Gradients<'_> {
    /// Adds a part to the gradient of a value. With the last it becomes that before the rectifier.
    fn add(&mut self, value: usize, part: &impl Source) {
        if !self.wanted.reaches(value) {
            return;
        }
        self.readers[value] -= 1;
        let complete = self.readers[value] == 0;
        let found = self.found[value].take();
        let mut epilogue = Epilogue { add: found.as_deref(), ..Epilogue::default() };
        if complete {
            (epilogue.gate, epilogue.sums) = self.completion(value);
        }
        let passed = pass(self.kept.units, part, epilogue);
        self.found[value] = Some(Arc::new(passed.cells));
        self.sums[value] = passed.sums;
    }

    /// Adds the gradient of another value, unchanged.
    fn add_same(&mut self, value: usize, part: &Arc<Cells>) {
        if !self.wanted.reaches(value) {
            return;
        }
        let alone = self.found[value].is_none();
        let (gate, sums) = match self.readers[value] {
            1 => self.completion(value),
            _ => (None, None),
        };
        if alone && gate.is_none() && sums.is_none() {
            self.readers[value] -= 1;
            self.found[value] = Some(part.clone());
        } else {
            self.add(value, &Plain(part));
        }
    }

    /// The gate of a value's rectifier, and the sums that its node needs.
    fn completion(&self, value: usize) -> (Option<&Bits>, Option<Sum<'_>>) {
        let Some(index) = value.checked_sub(1) else { return (None, None) };
        let node = &self.kept.plan.nodes[index];
        let sums = match &node.norm {
            Norm::Batch { .. } => self.kept.normalized[index]
                .as_ref()
                .map(|Normalized { x, mean, .. }| Sum::Products(x, mean)),
            Norm::Affine { .. } if self.wanted.parameters => self.kept.values[node.input]
                .as_ref()
                .map(|x| Sum::Products(x, &self.zeros[..node.layout.channels])),
            Norm::Shift(_) if self.wanted.parameters => Some(Sum::Moments),
            _ => None,
        };
        (self.kept.bits[index].as_ref(), sums)
    }
}

/// The gradients of a node's vectors, from `Σ g` and `Σ g (x - mean)`.
fn vectors_gradient(
    node: &Node,
    normalized: Option<&Normalized>,
    [sums, products]: &[Vec<f64>; 2],
    out: &mut [f32],
) {
    let mut write = |range: &std::ops::Range<usize>, values: &mut dyn Iterator<Item = f64>| {
        for (out, value) in out[range.clone()].iter_mut().zip(values) {
            *out = value as f32;
        }
    };
    match &node.norm {
        Norm::None | Norm::Noise(_) => {}
        Norm::Shift(shift) => write(shift, &mut sums.iter().copied()),
        Norm::Affine { scale, shift } => {
            write(scale, &mut products.iter().copied());
            write(shift, &mut sums.iter().copied());
        }
        Norm::Batch { gamma, beta, epsilon, .. } => {
            let variance = normalized.map_or(&[][..], |normalized| &normalized.variance);
            let inverse = inverse_std(variance, *epsilon);
            write(gamma, &mut products.iter().zip(inverse).map(|(product, r)| product * r));
            write(beta, &mut sums.iter().copied());
        }
    }
}
