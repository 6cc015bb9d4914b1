//! A chain forward.

use super::plan::{Node, Norm, Plan};
use super::tables::Deviation;
use crate::cells::{
    Bits, Cells, Correlation, Epilogue, Passed, Plain, Product, Scaled, Shifted, Sum, Units,
    Weights, exact_images, pass, positions_mean,
};
use crate::flex::{Block, affine_of_norm};
use rayon::prelude::*;
use std::sync::Arc;

/// What a chain keeps for its gradients.
pub struct Kept {
    pub plan: Arc<Plan>,
    pub units: Units,
    /// Values that nodes with gradients read.
    pub values: Vec<Option<Arc<Cells>>>,
    /// What each norm of the batch normalized, and its statistics.
    pub normalized: Vec<Option<Normalized>>,
    /// Mean and standard deviation of what noise was added to.
    pub deviations: Vec<Option<Deviation>>,
    /// What each rectifier let pass.
    pub bits: Vec<Option<Bits>>,
}

/// The input of a norm of the batch, and its statistics.
pub struct Normalized {
    pub x: Arc<Cells>,
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
    /// The norm as one factor and one shift a channel.
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Kept {
    /// A value that a node reads: as it was kept, or made again from what its batch norm keeps.
    /// That is a pass over memory and halves what a block keeps.
    pub fn value(&self, value: usize) -> Arc<Cells> {
        if let Some(kept) = &self.values[value] {
            return kept.clone();
        }
        let (node, normalized) = (&self.plan.nodes[value - 1], &self.normalized[value - 1]);
        let Normalized { x, scale, shift, .. } =
            normalized.as_ref().expect("kept for a norm's gradient");
        let epilogue = Epilogue { shift: Some(shift), relu: node.relu, ..Epilogue::default() };
        Arc::new(pass(self.units, &Scaled { x, scale }, epilogue).cells)
    }
}

/// Which gradients will be wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub input: bool,
    pub parameters: bool,
}

impl Wanted {
    /// True if the gradient of a value is needed.
    pub fn reaches(self, value: usize) -> bool {
        self.input || (self.parameters && value > 0)
    }
}

/// The result of a chain, the statistics of its batch norms, and what its gradients need.
pub struct Forward {
    pub output: Block,
    pub statistics: Vec<f32>,
    pub kept: Kept,
}

/// Runs a chain on images `[batch, channels, height, width]`.
pub fn forward(
    units: Units,
    plan: &Arc<Plan>,
    images: &[f32],
    parameters: &[f32],
    wanted: Wanted,
) -> Forward {
    let count = plan.nodes.len();
    let mut readers = plan.readers();
    let mut values: Vec<Option<Arc<Cells>>> = vec![None; count + 1];
    // Sums of values that a norm without a convolution or noise reads.
    let mut sums: Vec<[Vec<f64>; 2]> = vec![Default::default(); count + 1];
    let mut kept = Kept {
        plan: plan.clone(),
        units,
        values: vec![None; count + 1],
        normalized: (0..count).map(|_| None).collect(),
        deviations: vec![None; count],
        bits: (0..count).map(|_| None).collect(),
    };
    let products: Vec<Option<(Correlation, Weights)>> = plan
        .nodes
        .par_iter()
        .map(|node| {
            let conv = node.conv.as_ref()?;
            let correlation = Correlation::forward(conv.shape);
            let weights = Weights::new(units, &correlation, &parameters[conv.weight.clone()]);
            Some((correlation, weights))
        })
        .collect();
    let mut statistics = vec![0.0; plan.statistics];
    let mut output = None;
    values[0] = Some(Arc::new(Cells::from_images(images, plan.input)));
    if let (true, Some(images)) = (plan.is_summed(0), &values[0]) {
        let epilogue = Epilogue { sums: Some(Sum::Moments), ..Epilogue::default() };
        sums[0] = pass(units, &Plain(images), epilogue).sums;
    }
    for (index, node) in plan.nodes.iter().enumerate() {
        let input = values[node.input].clone().expect("a value that is made before it is read");
        let residual = node.residual.and_then(|residual| values[residual].clone());
        let summed = plan.is_summed(index + 1);
        let last = index + 1 == count && !plan.mean;
        let residual = residual.as_deref();
        let run = Run { units, node, product: products[index].as_ref(), residual, summed, last };
        let reads = match &node.norm {
            Norm::Affine { .. } => wanted.parameters,
            Norm::Noise(noise) => {
                let read = noise.through_std && wanted.reaches(node.input);
                read && !plan.can_be_made_again(node.input)
            }
            _ => wanted.parameters && node.conv.is_some() && !plan.can_be_made_again(node.input),
        };
        if reads {
            kept.values[node.input] = Some(input.clone());
        }
        let passed = match &node.norm {
            Norm::Batch { gamma, beta, epsilon, statistics: at } => {
                let (x, sums) = match &node.conv {
                    Some(_) => {
                        let sums = Some(Sum::Moments);
                        let passed = run.product(&input, Epilogue { sums, ..Epilogue::default() });
                        (Arc::new(passed.cells), passed.sums)
                    }
                    None => (input, sums[node.input].clone()),
                };
                let (mean, variance) = moments(node, &sums);
                let channels = mean.len();
                statistics[*at..][..channels].copy_from_slice(&mean);
                statistics[*at + channels..][..channels].copy_from_slice(&variance);
                let vectors = [&parameters[gamma.clone()], &parameters[beta.clone()]];
                let [scale, shift] = affine_of_norm([&mean, &variance], vectors, *epsilon);
                let passed = run.scaled(&x, &scale, &shift);
                if wanted.input || wanted.parameters {
                    kept.normalized[index] = Some(Normalized { x, mean, variance, scale, shift });
                }
                passed
            }
            Norm::Affine { scale, shift } => {
                run.scaled(&input, &parameters[scale.clone()], &parameters[shift.clone()])
            }
            Norm::Shift(shift) => {
                let shift = Some(&parameters[shift.clone()]);
                run.product(&input, run.epilogue(shift))
            }
            Norm::Noise(noise) => {
                let deviation = match noise.reads_std() {
                    true => Deviation::new(node.layout, &sums[node.input]),
                    false => Deviation::default(),
                };
                kept.deviations[index] = Some(deviation);
                let table = node.layout.spread_positions(&noise.table(deviation, parameters));
                pass(units, &Shifted { x: &input, table: &table }, run.epilogue(None))
            }
            Norm::None if node.conv.is_none() => pass(units, &Plain(&input), run.epilogue(None)),
            Norm::None => run.product(&input, run.epilogue(None)),
        };
        if wanted.input || wanted.parameters {
            kept.bits[index] = passed.bits;
        }
        if let Some(exact) = passed.exact {
            output = Some(exact_images(&exact, node.layout));
        }
        sums[index + 1] = passed.sums;
        values[index + 1] = Some(Arc::new(passed.cells));
        for read in [Some(node.input), node.residual].into_iter().flatten() {
            readers[read] -= 1;
            if readers[read] == 0 {
                values[read] = None;
            }
        }
    }
    let output = output.unwrap_or_else(|| {
        positions_mean(values[count].as_ref().expect("the value of the last node"))
    });
    Forward { output, statistics, kept }
}

/// A node at work.
struct Run<'a> {
    units: Units,
    node: &'a Node,
    product: Option<&'a (Correlation, Weights)>,
    residual: Option<&'a Cells>,
    /// True if sums of the result are wanted.
    summed: bool,
    /// True if the result is the chain's.
    last: bool,
}

impl Run<'_> {
    fn epilogue<'b>(&'b self, shift: Option<&'b [f32]>) -> Epilogue<'b> {
        let sums = self.summed.then_some(Sum::Moments);
        let (relu, exact) = (self.node.relu, self.last);
        Epilogue { shift, add: self.residual, relu, gate: None, sums, exact }
    }

    fn product(&self, from: &Cells, epilogue: Epilogue) -> Passed {
        let (correlation, weights) = self.product.expect("a product is of a convolution");
        let source = Product { correlation, weights, from };
        pass(self.units, &source, epilogue)
    }

    fn scaled(&self, x: &Cells, scale: &[f32], shift: &[f32]) -> Passed {
        pass(self.units, &Scaled { x, scale }, self.epilogue(Some(shift)))
    }
}

/// Mean and biased variance of each channel.
fn moments(node: &Node, [sums, squares]: &[Vec<f64>; 2]) -> (Vec<f32>, Vec<f32>) {
    let count = node.layout.samples();
    let moments = sums.iter().zip(squares).map(|(sum, square)| {
        let mean = sum / count;
        // Rounding can leave less than nothing. A NaN stays.
        let variance = square / count - mean * mean;
        (mean as f32, if variance < 0.0 { 0.0 } else { variance as f32 })
    });
    moments.unzip()
}
