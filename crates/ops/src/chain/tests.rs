//! A whole chain by every kind of units that this machine has or emulates, against one another.

use super::backward::backward;
use super::forward::{Forward, Wanted, forward};
use super::plan::{Conv, Node, Norm, Plan};
use crate::cells::{Cells, Layout, Shape, Units};
use crate::testing::values;
use std::ops::Range;
use std::sync::Arc;

struct Builder {
    plan: Plan,
    parameters: Vec<f32>,
}

impl Builder {
    fn push(&mut self, len: usize, scale: f32, mean: f32) -> Range<usize> {
        let first = self.parameters.len();
        let seed = 10 + first as u32;
        self.parameters.extend(values(len, seed).iter().map(|value| mean + scale * value));
        first..self.parameters.len()
    }

    /// A convolution of value `input`, with a norm of the batch or a shift.
    fn layer(&mut self, input: usize, outputs: usize, stride: usize, batch: bool) -> &mut Node {
        let from = self.plan.layout(input);
        let layout = Layout::new(from.batch, outputs, from.size.map(|size| size.div_ceil(stride)));
        let scale = (6.0 / (from.channels * 9) as f32).sqrt();
        let weight = self.push(outputs * from.channels * 9, scale, 0.0);
        let norm = match batch {
            true => {
                let statistics = self.plan.statistics;
                self.plan.statistics += 2 * outputs;
                let (gamma, beta) = (self.push(outputs, 0.2, 1.0), self.push(outputs, 0.2, 0.0));
                Norm::Batch { gamma, beta, epsilon: 1e-5, statistics }
            }
            false => Norm::Shift(self.push(outputs, 0.2, 0.0)),
        };
        let (kernel, stride) = ([3, 3], [stride, stride]);
        let shape = Shape { input: from, output: layout, kernel, stride, padding: [1, 1] };
        let conv = Some(Conv { shape, weight });
        self.plan.nodes.push(Node { input, conv, norm, residual: None, relu: false, layout });
        self.plan.nodes.last_mut().expect("just pushed")
    }
}

/// The relative error in L2.
fn error(ours: &[f32], wanted: &[f32]) -> f64 {
    let sum = |of: &dyn Fn(usize) -> f64| (0..wanted.len()).map(|i| of(i).powi(2)).sum::<f64>();
    let difference = sum(&|i| f64::from(ours[i]) - f64::from(wanted[i]));
    (difference / sum(&|i| f64::from(wanted[i]))).sqrt()
}

#[test]
fn all_units_give_the_same_chain_and_gradients() {
    for (batch_norm, rectifiers) in [(true, false), (false, false), (true, true)] {
        let input = Layout::new(35, 3, [8, 8]);
        let plan = Plan { input, nodes: Vec::new(), mean: true, statistics: 0 };
        let mut builder = Builder { plan, parameters: Vec::new() };
        builder.layer(0, 16, 1, batch_norm).relu = rectifiers;
        builder.layer(1, 16, 1, batch_norm).residual = Some(1);
        builder.layer(2, 40, 2, batch_norm).relu = rectifiers;
        builder.layer(3, 40, 1, batch_norm).residual = Some(3);
        let Builder { plan, parameters } = builder;
        let plan = Arc::new(plan);
        let images = values(35 * 3 * 64, 1);
        let gradient = values(35 * 40, 2);
        let wanted = Wanted { input: true, parameters: true };
        let run = |units| {
            let Forward { output, statistics, kept } =
                forward(units, &plan, &images, &parameters, wanted);
            let (to_input, to_parameters) = backward(&kept, &parameters, &gradient, wanted);
            let to_input = to_input.expect("wanted").values().to_vec();
            [output.values().to_vec(), statistics, to_input, to_parameters.expect("wanted")]
        };
        let all = Units::all();
        let first = run(all[0]);
        for &units in &all[1..] {
            for (part, (ours, wanted)) in run(units).iter().zip(&first).enumerate() {
                if wanted.is_empty() {
                    continue;
                }
                // Sums in another order round to other values of bfloat16 now and then; rectifiers
                // may then take another side.
                let limit = if rectifiers { 0.1 } else { 0.005 };
                let error = error(ours, wanted);
                assert!(
                    error < limit,
                    "{units:?}, part {part}, {batch_norm} {rectifiers}: {error}"
                );
            }
        }
    }
}

/// Of a block of two convolutions with norms of the batch the inner value is made again for the
/// gradient, and is the value that was there.
#[test]
fn the_inner_values_of_blocks_are_made_again() {
    let input = Layout::new(5, 3, [8, 8]);
    let plan = Plan { input, nodes: Vec::new(), mean: true, statistics: 0 };
    let mut builder = Builder { plan, parameters: Vec::new() };
    builder.layer(0, 16, 1, true).relu = true;
    builder.layer(1, 16, 1, true).relu = true;
    builder.layer(2, 16, 1, true).residual = Some(1);
    builder.layer(3, 16, 1, true).relu = true;
    let Builder { plan, parameters } = builder;
    let images = values(5 * 3 * 64, 1);
    for units in Units::all() {
        let run = |nodes: usize, mean| {
            let nodes = plan.nodes[..nodes].to_vec();
            let plan = Arc::new(Plan { nodes, mean, ..plan.clone() });
            let wanted = Wanted { input: true, parameters: true };
            forward(units, &plan, &images, &parameters, wanted)
        };
        let kept = run(4, true).kept;
        let there: Vec<bool> = kept.values.iter().map(Option::is_some).collect();
        // The images and the sum with the residual stay; nobody's gradient reads the last value.
        assert_eq!(there, [true, false, false, true, false]);
        for value in [1, 2] {
            let again = kept.value(value).to_images();
            // The result of a shorter chain is that value before it is rounded.
            let rounded =
                Cells::from_images(run(value, false).output.values(), kept.plan.layout(value));
            assert_eq!(again.values(), rounded.to_images().values(), "{units:?}, value {value}");
        }
    }
}
