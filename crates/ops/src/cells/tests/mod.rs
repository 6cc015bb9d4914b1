//! The passes against the definition in double precision, on operands rounded to bfloat16.

mod positions;

use super::bf16::{narrow, widen};
use super::buffer::Cells;
use super::*;
use crate::flex::Geometry;
use crate::testing::{numbers, products, values};
use pulp::Arch;

/// Batch, channels in and out, input, kernel, stride, padding.
type Case = (usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

const THREE: [usize; 2] = [3, 3];
const ONE: [usize; 2] = [1, 1];
const TWO: [usize; 2] = [2, 2];

/// The convolutions of networks, and odd ones: every combination of one and two pixels a cell,
/// sizes that fill no cell, batches that fill no block.
const CASES: &[Case] = &[
    // A stem, a stage of 16 channels, its end, stages of 32 and 64.
    (5, [3, 16], [8, 8], THREE, ONE, ONE),
    (33, [16, 16], [8, 8], THREE, ONE, ONE),
    (3, [16, 32], [8, 8], THREE, TWO, ONE),
    (3, [32, 32], [8, 8], THREE, ONE, ONE),
    (2, [32, 64], [8, 8], THREE, TWO, ONE),
    (2, [64, 64], [4, 4], THREE, ONE, ONE),
    // Shortcuts.
    (3, [16, 32], [8, 8], ONE, TWO, [0, 0]),
    (3, [32, 64], [8, 8], ONE, TWO, [0, 0]),
    (3, [48, 40], [5, 5], ONE, ONE, [0, 0]),
    (3, [16, 16], [6, 6], ONE, ONE, [0, 0]),
    (3, [16, 16], [7, 7], ONE, ONE, [0, 0]),
    // Two pixels to one, one to two, and back.
    (2, [3, 64], [8, 8], THREE, ONE, ONE),
    (2, [16, 20], [8, 8], THREE, ONE, ONE),
    (2, [64, 16], [8, 8], THREE, ONE, ONE),
    (2, [16, 16], [8, 8], THREE, TWO, ONE),
    (2, [16, 16], [8, 6], THREE, TWO, ONE),
    (2, [40, 12], [8, 8], THREE, TWO, ONE),
    // Channels of other numbers.
    (1, [1, 1], [4, 4], THREE, ONE, ONE),
    (2, [1, 16], [28, 28], THREE, ONE, ONE),
    (2, [7, 9], [6, 6], THREE, ONE, ONE),
    (2, [17, 33], [6, 6], THREE, ONE, ONE),
    (2, [33, 31], [5, 7], THREE, ONE, ONE),
    (2, [96, 10], [4, 4], THREE, ONE, ONE),
    (2, [10, 96], [4, 4], THREE, ONE, ONE),
    // Images of other sizes.
    (2, [16, 16], [9, 9], THREE, ONE, ONE),
    (2, [16, 16], [9, 9], THREE, TWO, ONE),
    (2, [16, 16], [1, 2], THREE, ONE, ONE),
    (2, [8, 8], [1, 1], THREE, ONE, ONE),
    (2, [8, 40], [1, 1], THREE, TWO, ONE),
    (2, [16, 32], [7, 10], THREE, TWO, ONE),
    (2, [32, 32], [3, 40], THREE, ONE, ONE),
    (2, [16, 16], [40, 4], THREE, ONE, ONE),
    // Batches of other sizes.
    (1, [16, 16], [4, 4], THREE, ONE, ONE),
    (31, [16, 16], [4, 4], THREE, ONE, ONE),
    (32, [16, 32], [4, 4], THREE, TWO, ONE),
    (64, [32, 32], [2, 2], THREE, ONE, ONE),
    (70, [3, 8], [4, 4], THREE, ONE, ONE),
    // Other kernels, strides and paddings.
    (2, [16, 16], [8, 8], THREE, ONE, [0, 0]),
    (2, [16, 16], [9, 8], THREE, ONE, TWO),
    (2, [16, 24], [12, 12], [5, 5], ONE, TWO),
    (2, [3, 16], [16, 16], [7, 7], TWO, [3, 3]),
    (2, [16, 16], [12, 12], [5, 4], [1, 3], [2, 1]),
    (2, [32, 16], [9, 9], TWO, [3, 3], [0, 0]),
    (2, [16, 16], [8, 8], [1, 3], [1, 1], [0, 1]),
    // Images smaller than the padding.
    (2, [16, 16], [1, 1], [5, 5], ONE, TWO),
    (2, [3, 16], [2, 2], [7, 7], TWO, [3, 3]),
];

fn shape(case: Case) -> Shape {
    let (batch, channels, input, kernel, stride, padding) = case;
    let output =
        [0, 1].map(|axis| (input[axis] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1);
    let [input, output] = [(channels[0], input), (channels[1], output)]
        .map(|(channels, size)| Layout::new(batch, channels, size));
    Shape { input, output, kernel, stride, padding }
}

/// Cases without a pattern.
fn any_cases(count: usize) -> impl Iterator<Item = Case> {
    let mut from = numbers(11);
    std::iter::repeat_with(move || {
        let channels = [from(1, 70), from(1, 70)];
        let kernel = [from(1, 4), from(1, 4)];
        let (stride, padding) = ([from(1, 3), from(1, 3)], kernel.map(|size| from(0, size / 2)));
        let input = kernel.map(|size| from(size, 9));
        (from(1, 40), channels, input, kernel, stride, padding)
    })
    .take(count)
}

/// The cases, and convolutions whose margins differ: those behind follow from the output's size.
fn shapes() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = CASES.iter().copied().chain(any_cases(40)).map(shape).collect();
    for (case, output) in [
        ((2, [16, 16], [8, 8], THREE, TWO, [0, 0]), [4, 4]),
        ((2, [16, 40], [8, 8], THREE, TWO, [0, 0]), [4, 4]),
        ((2, [40, 16], [6, 6], TWO, ONE, [0, 0]), [6, 6]),
        ((2, [16, 16], [4, 4], THREE, ONE, [3, 4]), [7, 8]),
    ] {
        let mut shape = shape(case);
        shape.output = Layout::new(case.0, case.1[1], output);
        shapes.push(shape);
    }
    shapes
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| widen(narrow(value))).collect()
}

fn image_len(layout: Layout) -> usize {
    layout.channels * layout.size[0] * layout.size[1]
}

/// The shape as that of the kernels in single precision.
fn geometry(shape: Shape) -> Geometry {
    let Shape { input, output, kernel, stride, padding } = shape;
    Geometry {
        batch: input.batch,
        channels: [input.channels, output.channels],
        input: input.size,
        output: output.size,
        kernel,
        stride,
        padding,
        dilation: ONE,
    }
}

/// Half a unit in the last place of a result in bfloat16, and single precision's rounding of `n`
/// partial sums: they are of about `√n / 3`, and so many errors of half a unit each add up to about
/// `√n` of them.
fn assert_close(name: &str, ours: &[f32], wanted: &[f64], terms: usize, half: bool) {
    assert_eq!(ours.len(), wanted.len(), "{name}");
    let rounding = if half { 2f64.powi(-8) } else { 0.0 };
    for (i, (&ours, &wanted)) in ours.iter().zip(wanted).enumerate() {
        let tolerance = wanted.abs() * rounding + 2f64.powi(-24) * (terms as f64 + 4.0);
        let error = (f64::from(ours) - wanted).abs();
        assert!(error <= tolerance, "{name} {i}: {ours} {wanted}, {error:e} > {tolerance:e}");
    }
}

#[test]
fn the_kernels_for_amx_are_tested_where_they_can_be() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if pulp::x86::V4::try_new().is_some() {
        assert!(Units::all().iter().any(|units| matches!(units, Units::Amx(_))));
    }
}

#[test]
fn the_dot_products_are_chosen_before_vectors_where_the_processor_has_them() {
    #[cfg(target_arch = "x86_64")]
    {
        let wanted = is_x86_feature_detected!("avx512bf16") && pulp::x86::V4::try_new().is_some();
        let here = Units::here();
        let at = here.iter().position(|units| matches!(units, Units::Dots(_)));
        assert_eq!(at.is_some(), wanted, "{here:?}");
        assert!(matches!(here.last(), Some(Units::Vectors(_))));
    }
}

#[test]
fn the_kernels_of_vectors_are_tested_at_every_width_of_this_processor() {
    let has = |wanted: fn(&Units) -> bool| Units::all().iter().any(wanted);
    assert!(has(|units| matches!(units, Units::Vectors(Arch::Scalar))));
    #[cfg(target_arch = "x86_64")]
    {
        let wide = [pulp::x86::V3::try_new().is_some(), pulp::x86::V4::try_new().is_some()];
        let tested = [
            has(|units| matches!(units, Units::Vectors(Arch::V3(_)))),
            has(|units| matches!(units, Units::Vectors(Arch::V4(_)))),
        ];
        assert_eq!(tested, wide);
    }
}

#[test]
fn kernels_equal_the_definition() {
    for shape in shapes() {
        let name = format!("{shape:?}");
        let Shape { input, output, kernel, .. } = shape;
        let x = rounded(&values(input.batch * image_len(input), 1));
        let weight = rounded(&values(output.channels * input.channels * kernel[0] * kernel[1], 2));
        let gradient = rounded(&values(input.batch * image_len(output), 3));
        let add = rounded(&values(input.batch * image_len(output), 4));
        let shift = values(output.channels, 5);
        let grid = output.size[0] * output.size[1];

        let mut out: Vec<f64> = (0..add.len())
            .map(|i| f64::from(add[i]) + f64::from(shift[i / grid % output.channels]))
            .collect();
        let (mut to_x, mut to_weight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        products(geometry(shape), |i, w, o| {
            let [x, weight, gradient] = [x[i], weight[w], gradient[o]].map(f64::from);
            out[o] += x * weight;
            to_x[i] += gradient * weight;
            to_weight[w] += x * gradient;
        });
        out.iter_mut().for_each(|value| *value = value.max(0.0));

        for units in Units::all() {
            let name = format!("{name}, {units:?}");
            let [x, gradient, add] = [(&x, input), (&gradient, output), (&add, output)]
                .map(|(values, layout)| Cells::from_images(values, layout));
            let [forward, backward] = [Correlation::forward(shape), Correlation::backward(shape)];
            let weights = Weights::new(units, &forward, &weight);
            let product = Product { correlation: &forward, weights: &weights, from: &x };
            let epilogue = Epilogue {
                shift: Some(&shift),
                add: Some(&add),
                relu: true,
                ..Epilogue::default()
            };
            let passed = pass(units, &product, epilogue);
            let taps = kernel[0] * kernel[1];
            let terms = input.channels * taps;
            assert_close(&name, passed.cells.to_images().values(), &out, terms, true);

            let weights = Weights::new(units, &backward, &weight);
            let product = Product { correlation: &backward, weights: &weights, from: &gradient };
            let passed = pass(units, &product, Epilogue::default());
            let terms = output.channels * taps;
            assert_close(&name, passed.cells.to_images().values(), &to_x, terms, true);

            let mut ours = vec![0.0; weight.len()];
            weight_gradient(units, &forward, &x, &gradient, &mut ours);
            assert_close(&name, &ours, &to_weight, input.batch * grid, false);
        }
    }
}
