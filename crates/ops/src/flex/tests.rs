//! The kernels against the definition in double precision, with every width of vectors that this
//! processor has.

use super::norm::{self, Extent};
use super::tensor::{Values, vector};
use super::{Geometry, Tiles, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
use crate::arch::{arch, chosen, vector_len};
use crate::testing::{numbers, products, values};
use pulp::Arch;

/// Batch, channels in and out, input, kernel, stride, padding, dilation.
type Case = (usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

/// With the lengths of the vectors that the tiles fill: all others are the direct kernel's.
const CASES: [(Case, &[usize]); 20] = [
    // Two rows of an image in one vector of sixteen; whole rows; several vectors in a row; few and
    // many channels.
    ((3, [5, 9], [8, 8], [3, 3], [1, 1], [1, 1], [1, 1]), &[1, 4, 8, 16]),
    ((2, [17, 8], [16, 16], [3, 3], [1, 1], [1, 1], [1, 1]), &[1, 4, 8, 16]),
    ((1, [2, 3], [2, 32], [3, 3], [1, 1], [1, 1], [1, 1]), &[1, 4, 8, 16]),
    ((2, [3, 2], [4, 64], [3, 3], [1, 1], [1, 1], [1, 1]), &[1, 4, 8, 16]),
    ((5, [4, 16], [8, 4], [3, 3], [1, 1], [1, 1], [1, 1]), &[1, 4, 8]),
    // Tiles that fill no vector, or not even themselves.
    ((2, [3, 4], [6, 6], [3, 3], [1, 1], [1, 1], [1, 1]), &[1]),
    ((2, [3, 4], [7, 8], [3, 3], [1, 1], [1, 1], [1, 1]), &[]),
    // Convolutions of other kinds.
    ((2, [4, 6], [8, 8], [3, 3], [1, 1], [0, 0], [1, 1]), &[]),
    ((2, [16, 12], [8, 8], [3, 3], [2, 2], [1, 1], [1, 1]), &[]),
    ((2, [3, 20], [9, 7], [3, 3], [2, 2], [1, 1], [1, 1]), &[]),
    ((9, [18, 5], [8, 8], [1, 1], [2, 2], [0, 0], [1, 1]), &[]),
    ((2, [2, 3], [9, 10], [5, 4], [1, 3], [2, 1], [1, 1]), &[]),
    ((2, [3, 3], [9, 9], [2, 2], [3, 3], [0, 0], [1, 1]), &[]),
    ((1, [1, 33], [12, 11], [3, 3], [1, 1], [2, 2], [2, 2]), &[]),
    // Few channels, several images at a time, and positions that fill no vector.
    ((5, [3, 16], [14, 13], [3, 3], [1, 1], [1, 1], [1, 1]), &[]),
    ((5, [1, 8], [33, 31], [5, 5], [2, 2], [2, 2], [1, 1]), &[]),
    // Offsets of columns beyond the whole image.
    ((2, [3, 4], [1, 1], [5, 5], [1, 1], [2, 2], [1, 1]), &[]),
    ((2, [3, 4], [1, 1], [3, 3], [1, 1], [2, 2], [2, 2]), &[]),
    ((2, [3, 4], [1, 2], [7, 7], [1, 1], [3, 3], [1, 1]), &[]),
    ((2, [3, 4], [2, 2], [7, 7], [2, 2], [3, 3], [1, 1]), &[]),
];

fn geometry(case: Case) -> Geometry {
    let (batch, channels, input, kernel, stride, padding, dilation) = case;
    let output = [0, 1].map(|axis| {
        let reach = dilation[axis] * (kernel[axis] - 1) + 1;
        (input[axis] + 2 * padding[axis] - reach) / stride[axis] + 1
    });
    Geometry { batch, channels, input, output, kernel, stride, padding, dilation }
}

fn assert_close(name: &str, ours: &[f32], wanted: &[f64], terms: usize) {
    assert_eq!(ours.len(), wanted.len());
    // Sums of n terms grow as √n, so that n roundings of a sum in sequence amount to
    // n · 2⁻²⁴ · 0.4.
    let n = terms.max(1) as f64;
    let tolerance = (1e-6 * n.sqrt()).max(1e-7 * n);
    for (i, (&ours, &wanted)) in ours.iter().zip(wanted).enumerate() {
        assert!((f64::from(ours) - wanted).abs() < tolerance, "{name} {i}: {ours} {wanted}");
    }
}

fn widths() -> impl Iterator<Item = Arch> {
    chosen::narrower().into_iter().chain([arch()])
}

/// Geometries without a pattern: images of one to eighteen rows and columns, up to nine of them,
/// so that groups of images are full and not, and rows fill vectors and do not.
fn any_cases(count: usize) -> impl Iterator<Item = Case> {
    let mut from = numbers(11);
    std::iter::repeat_with(move || {
        let channels = [from(1, 20), from(1, 20)];
        let kernel = [from(1, 4), from(1, 4)];
        let (stride, dilation) = ([from(1, 2), from(1, 2)], [1, from(1, 2)]);
        let padding = [from(0, kernel[0] / 2), from(0, kernel[1] / 2)];
        // With the padding as large as the kernel's reach, at least.
        let input = [0, 1].map(|axis| {
            let reach = dilation[axis] * (kernel[axis] - 1) + 1;
            from(reach.saturating_sub(2 * padding[axis]).max(1), 18)
        });
        (from(1, 9), channels, input, kernel, stride, padding, dilation)
    })
    .take(count)
}

#[test]
fn kernels_equal_the_definition_with_vectors_of_every_width() {
    let cases = CASES.map(|(case, tiled)| (case, Some(tiled)));
    for (case, tiled) in cases.into_iter().chain(any_cases(60).map(|case| (case, None))) {
        let geometry = geometry(case);
        let len = |of_image: usize| geometry.batch * of_image;
        let [channels, outputs] = geometry.channels;
        let x = values(len(geometry.input_len()), 1);
        let weight = values(outputs * channels * geometry.kernel_len(), 2);
        let gradient = values(len(geometry.output_len()), 3);
        let gate = values(len(geometry.output_len()), 4);
        let (shift, residual) = (values(outputs, 5), values(len(geometry.output_len()), 6));
        let grid = geometry.output[0] * geometry.output[1];
        let taps = geometry.kernel_len();

        let mut out: Vec<f64> = (0..residual.len())
            .map(|i| f64::from(residual[i]) + f64::from(shift[i / grid % outputs]))
            .collect();
        let (mut to_x, mut to_weight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        products(geometry, |i, w, o| {
            let [x, weight, gradient] = [x[i], weight[w], gradient[o]].map(f64::from);
            out[o] += x * weight;
            to_x[i] += if gate[o] > 0.0 { gradient * weight } else { 0.0 };
            to_weight[w] += x * gradient;
        });
        out.iter_mut().for_each(|value| *value = value.max(0.0));

        for arch in widths() {
            chosen::with(arch, || {
                let lanes = vector_len();
                let name = format!("{case:?}, vectors of {lanes}");
                if let Some(tiled) = tiled {
                    let taken = Tiles::of(geometry, lanes).is_some();
                    assert_eq!(taken, tiled.contains(&lanes), "{name}");
                }
                let images = |values: &[f32], channels: usize, size: [usize; 2]| {
                    vector(values.to_vec(), [geometry.batch, channels, size[0], size[1]])
                };
                let weight = vector(weight.clone(), [outputs, channels, case.3[0], case.3[1]]);
                let [gradient, gate, residual] =
                    [&gradient, &gate, &residual].map(|v| images(v, outputs, geometry.output));
                let x = images(&x, channels, geometry.input);
                let shift = vector(shift.clone(), [outputs]);
                let ours = conv2d(x.clone(), weight.clone(), shift, Some(residual), true, geometry);
                assert_close(&name, Values::new(ours).slice(), &out, channels * taps + 2);
                let ours =
                    conv2d_input_gradient(gradient.clone(), Some(gate), weight, None, geometry);
                assert_close(&name, Values::new(ours).slice(), &to_x, outputs * taps);
                let ours = conv2d_weight_gradient(x, gradient, geometry);
                assert_close(&name, Values::new(ours).slice(), &to_weight, geometry.batch * grid);
            });
        }
    }
}

/// With a mean of up to a million standard deviations, rows of one value and of many, and a number
/// of rows that no vector divides: mean and variance to the precision of a value.
#[test]
fn moments_equal_those_in_double_precision() {
    for [batch, channels, positions] in [[2, 3, 1], [128, 2, 64], [7, 5, 1023], [33, 2, 4096]] {
        for (mean, std) in [(0.0, 1.0), (1.0, 1e-2), (-1e3, 1e-2), (1e6, 1.0), (1e-3, 1e-9)] {
            let draws = values(batch * channels * positions, 7);
            let x: Vec<f32> = draws.iter().map(|&v| (mean + std * f64::from(v)) as f32).collect();
            let extent = Extent { batch, channels, positions };
            for arch in widths() {
                let (means, variances) = chosen::with(arch, || norm::moments(&x, extent));
                for channel in 0..channels {
                    let of_channel = || {
                        let rows = x.chunks(positions).skip(channel).step_by(channels);
                        rows.flatten().map(|&v| f64::from(v))
                    };
                    let samples = (batch * positions) as f64;
                    let wanted = of_channel().sum::<f64>() / samples;
                    let variance =
                        of_channel().map(|v| (v - wanted).powi(2)).sum::<f64>() / samples;
                    let name = format!("{batch}x{positions} {mean} {std}");
                    let got = f64::from(means[channel]);
                    // Half a unit in the last place of the mean, and rounding of the distances.
                    let room = 6e-8 * wanted.abs() + 1e-6 * variance.sqrt();
                    assert!((got - wanted).abs() <= room, "{name}: mean {got}, wanted {wanted}");
                    let got = f64::from(variances[channel]);
                    let room = 2e-6 * variance;
                    assert!((got - variance).abs() <= room, "{name}: {got}, wanted {variance}");
                }
            }
        }
    }
}

#[test]
fn moments_of_equal_values_have_no_variance_and_nan_is_not_hidden() {
    let extent = Extent { batch: 9, channels: 2, positions: 100 };
    let mut x = vec![0.1f32; extent.len()];
    let (means, variances) = norm::moments(&x, extent);
    assert!(means.iter().all(|&mean| (mean - 0.1).abs() < 1e-8), "{means:?}");
    assert!(variances.iter().all(|&v| (0.0..1e-15).contains(&v)), "{variances:?}");
    x[150] = f32::NAN;
    let (means, variances) = norm::moments(&x, extent);
    assert!(means[1].is_nan() && variances[1].is_nan() && variances[0] < 1e-15);
}
