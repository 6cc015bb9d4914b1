//! A whole chain by every kind of units that this machine has or emulates, against one another.

use super::backward::backward;
use super::forward::{Forward, Wanted, forward};
use super::plan::{Conv, Node, Noise, Norm, Plan};
use crate::cells::{Cells, Layout, Shape, Units};
use crate::noise::StdPower;
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

impl Builder {
    /// Noise on value `input`, a table for each power of its standard deviation.
    fn noise(&mut self, input: usize, powers: &[StdPower], through_std: bool) {
        let layout = self.plan.layout(input);
        let len = layout.channels * layout.size[0] * layout.size[1];
        let terms = powers.iter().map(|&power| (power, self.push(len, 0.2, 0.0))).collect();
        let norm = Norm::Noise(Noise { terms, through_std });
        self.plan.nodes.push(Node { norm, ..Node::identity(input, layout) });
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
        builder.noise(1, &[StdPower::One], true);
        builder.layer(2, 16, 1, batch_norm).residual = Some(1);
        builder.layer(3, 40, 2, batch_norm).relu = rectifiers;
        builder.noise(4, &[StdPower::Half, StdPower::Zero], true);
        builder.layer(5, 40, 1, batch_norm).residual = Some(4);
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

/// Values and gradients of noise alone are those of its formula in double precision, with the
/// operands that a chain has: images and gradients rounded to bfloat16.
#[test]
fn noise_and_its_gradients_are_those_of_their_formula() {
    let rounded = |layout, values: &[f32]| -> Vec<f64> {
        let images = Cells::from_images(values, layout).to_images();
        images.values().iter().map(|&value| f64::from(value)).collect()
    };
    for (batch, channels, size) in [(35, 3, [8, 8]), (4, 40, [5, 7])] {
        for (powers, through_std) in [
            (&[StdPower::One][..], true),
            (&[StdPower::One], false),
            (&[StdPower::Half, StdPower::Zero], true),
            (&[StdPower::Zero], false),
        ] {
            let input = Layout::new(batch, channels, size);
            let plan = Plan { input, nodes: Vec::new(), mean: false, statistics: 0 };
            let mut builder = Builder { plan, parameters: Vec::new() };
            builder.noise(0, powers, through_std);
            let Builder { plan, parameters } = builder;
            let (plan, len) = (Arc::new(plan), channels * size[0] * size[1]);
            // A mean and a deviation that are neither zero nor one.
            let images: Vec<f32> =
                values(batch * len, 1).iter().map(|value| 0.7 + 0.4 * value).collect();
            let upstream = values(batch * len, 2);
            let (x, g) = (rounded(input, &images), rounded(input, &upstream));

            let count = x.len() as f64;
            let mean = x.iter().sum::<f64>() / count;
            let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            let std = (square / (count - 1.0)).sqrt();
            let scales: Vec<[f64; 2]> = powers
                .iter()
                .map(|power| match power {
                    StdPower::Zero => [1.0, 0.0],
                    StdPower::Half => [std.sqrt(), 0.5 / std.sqrt()],
                    StdPower::One => [std, 1.0],
                })
                .collect();
            let table = |term: usize, at: usize| f64::from(parameters[term * len + at % len]);
            let noise = |of: usize, at: usize| -> f64 {
                scales.iter().enumerate().map(|(term, scale)| scale[of] * table(term, at)).sum()
            };
            let out: Vec<f64> = (0..x.len()).map(|at| x[at] + noise(0, at)).collect();
            let slope: f64 = (0..x.len()).map(|at| g[at] * noise(1, at)).sum();
            let along = if through_std { slope / ((count - 1.0) * std) } else { 0.0 };
            let to_x: Vec<f64> = (0..x.len()).map(|at| g[at] + along * (x[at] - mean)).collect();
            let to_tables: Vec<f64> = (0..powers.len() * len)
                .map(|at| {
                    let sum: f64 = g.iter().skip(at % len).step_by(len).sum();
                    scales[at / len][0] * sum
                })
                .collect();

            let wanted = Wanted { input: true, parameters: true };
            for units in Units::all() {
                let made = forward(units, &plan, &images, &parameters, wanted);
                let (ours, of_tables) = backward(&made.kept, &parameters, &upstream, wanted);
                // Single precision, and half a unit of bfloat16 where a gradient is written.
                let close = |name: &str, ours: &[f32], wanted: &[f64], relative: f64| {
                    assert_eq!(ours.len(), wanted.len(), "{name}");
                    for (at, (&ours, wanted)) in ours.iter().zip(wanted).enumerate() {
                        let error = (f64::from(ours) - wanted).abs();
                        let tolerance = 1e-5 + relative * wanted.abs();
                        assert!(error < tolerance, "{units:?}, {name} {at}: {ours} {wanted}");
                    }
                };
                close("value", made.output.values(), &out, 0.0);
                close("gradient", ours.expect("wanted").values(), &to_x, 2f64.powi(-8));
                close("tables", &of_tables.expect("wanted"), &to_tables, 1e-5);
                // One of them alone is the same.
                let alone = Wanted { parameters: false, ..wanted };
                let made = forward(units, &plan, &images, &parameters, alone);
                let (ours, none) = backward(&made.kept, &parameters, &upstream, alone);
                close("gradient alone", ours.expect("wanted").values(), &to_x, 2f64.powi(-8));
                assert!(none.is_none());
                let alone = Wanted { input: false, ..wanted };
                let made = forward(units, &plan, &images, &parameters, alone);
                assert!(made.kept.values[0].is_none(), "nobody reads the images again");
                let (none, of_tables) = backward(&made.kept, &parameters, &upstream, alone);
                close("tables alone", &of_tables.expect("wanted"), &to_tables, 1e-5);
                assert!(none.is_none());
            }
        }
    }
}
