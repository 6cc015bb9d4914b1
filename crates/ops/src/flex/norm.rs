//! Batch norm with what usually follows it, a sum and a rectifier, in as few passes over memory as
//! its statistics allow. One file, because forward and backward share their rows and sums.

use super::memory::build;
use super::pool::Block;
use crate::arch::{arch, multiply_add};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Values that one task of an element-wise pass handles, at least.
pub const TASK: usize = 1 << 15;

/// The shape of an activation, `[batch, channels, positions]`.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub batch: usize,
    pub channels: usize,
    pub positions: usize,
}

impl Extent {
    pub fn len(&self) -> usize {
        self.batch * self.channels * self.positions
    }

    /// Values behind each statistic.
    fn samples(&self) -> f64 {
        (self.batch * self.positions) as f64
    }

    /// Rows of one task of an element-wise pass.
    fn rows(&self) -> usize {
        (TASK / self.positions.max(1)).max(1)
    }
}

/// Mean and biased variance of each channel, in one pass over memory: the moments of each row,
/// which stays in the cache for both, are put together as those of parts of a whole (Chan, Golub
/// and LeVeque, The American Statistician 37, 1983).
pub fn moments(x: &[f32], extent: Extent) -> (Vec<f32>, Vec<f32>) {
    let arch = arch();
    let of_row = extent.positions as f64;
    let of_channel = |channel| {
        // The mean, and the sum of the squared distances from it.
        let (mut mean, mut squares) = (0.0f64, 0.0f64);
        for (before, row) in channel_rows(x, extent, channel).enumerate() {
            // Around the mean, since a difference of squares would cancel. What rounding has left
            // the distances to sum up to is taken out again.
            let center = (arch.dispatch(Sum(row)) / of_row) as f32;
            let [distances, of_distances] = arch.dispatch(Distances(row, center));
            let row_mean = f64::from(center) + distances / of_row;
            let row_squares = of_distances - distances * distances / of_row;
            let (apart, share) = (row_mean - mean, 1.0 / (before + 1) as f64);
            mean += apart * share;
            squares += row_squares + apart * apart * of_row * (1.0 - share);
        }
        // Rounding may leave less than zero. Not a maximum, which would hide a NaN.
        let squares = if squares < 0.0 { 0.0 } else { squares };
        (mean as f32, (squares / extent.samples()) as f32)
    };
    (0..extent.channels).into_par_iter().map(of_channel).unzip()
}

fn channel_rows(x: &[f32], extent: Extent, channel: usize) -> impl Iterator<Item = &[f32]> {
    x.chunks_exact(extent.positions).skip(channel).step_by(extent.channels)
}

/// `x * scale + shift + residual`, rectified where wanted; scale and shift have one value a
/// channel.
pub fn affine(
    x: &[f32],
    extent: Extent,
    [scale, shift]: [&[f32]; 2],
    residual: Option<&[f32]>,
    relu: bool,
) -> Block {
    let arch = arch();
    build_rows(extent, |channel, at, out| {
        let residual = residual.map(|residual| &residual[at.clone()]);
        let (scale, shift) = (scale[channel], shift[channel]);
        arch.dispatch(AffineRow { out, x: &x[at], scale, shift, residual, relu });
    })
}

/// `(x - mean) / std`; both have one value a channel.
pub fn normalize(x: &[f32], extent: Extent, [mean, std]: [&[f32]; 2]) -> Block {
    let arch = arch();
    build_rows(extent, |channel, at, out| {
        arch.dispatch(NormalizeRow { out, x: &x[at], mean: mean[channel], std: std[channel] });
    })
}

/// For each channel `Σ g` and `Σ g (x - mean)`. Without `x`, the first alone.
pub fn gradient_sums(
    gradient: &[f32],
    x: Option<(&[f32], &[f32])>,
    extent: Extent,
) -> (Vec<f32>, Vec<f32>) {
    let arch = arch();
    let of_channel = |channel| {
        let gradients = channel_rows(gradient, extent, channel);
        let Some((x, means)) = x else {
            return (gradients.map(|row| arch.dispatch(Sum(row))).sum::<f64>() as f32, 0.0);
        };
        let mut sums = [0.0f64; 2];
        for (gradient, x) in gradients.zip(channel_rows(x, extent, channel)) {
            let row = arch.dispatch(Products(gradient, x, means[channel]));
            sums = [sums[0] + row[0], sums[1] + row[1]];
        }
        (sums[0] as f32, sums[1] as f32)
    };
    (0..extent.channels).into_par_iter().map(of_channel).unzip()
}

/// `g * a + (x - mean) * b + c`, all but `g` and `x` one value a channel: the input gradient of a
/// batch norm.
pub fn input_gradient(
    gradient: &[f32],
    x: &[f32],
    extent: Extent,
    [a, mean, b, c]: [&[f32]; 4],
) -> Block {
    let arch = arch();
    build_rows(extent, |channel, at, out| {
        arch.dispatch(GradientRow {
            out,
            gradient: &gradient[at.clone()],
            x: &x[at],
            factors: [a[channel], mean[channel], b[channel], c[channel]],
        });
    })
}

/// Computes rows, a channel of an image each, in parallel; `row` gets the channel and where the row
/// lies.
fn build_rows(extent: Extent, row: impl Fn(usize, Range<usize>, &mut [f32]) + Sync) -> Block {
    let rows = extent.rows();
    build(extent.len(), rows * extent.positions, |group, out| {
        for (i, out) in out.chunks_exact_mut(extent.positions).enumerate() {
            let index = group * rows + i;
            let at = index * extent.positions..(index + 1) * extent.positions;
            row(index % extent.channels, at, out);
        }
    })
}

/// A row of [`affine`].
struct AffineRow<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    scale: f32,
    shift: f32,
    residual: Option<&'a [f32]>,
    relu: bool,
}

/// A row of [`normalize`].
struct NormalizeRow<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    mean: f32,
    std: f32,
}

/// A row of [`input_gradient`].
struct GradientRow<'a> {
    out: &'a mut [f32],
    gradient: &'a [f32],
    x: &'a [f32],
    /// `a`, `mean`, `b` and `c`.
    factors: [f32; 4],
}

impl WithSimd for AffineRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { out, x, scale, shift, residual, relu } = self;
        // Not a maximum, which would hide a NaN.
        let rectify = |value: f32| if relu && value < 0.0 { 0.0 } else { value };
        match residual {
            None => {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = rectify(x * scale + shift);
                }
            }
            Some(residual) => {
                for ((out, &x), &r) in out.iter_mut().zip(x).zip(residual) {
                    *out = rectify(x * scale + shift + r);
                }
            }
        }
    }
}

impl WithSimd for NormalizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { out, x, mean, std } = self;
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - mean) / std;
        }
    }
}

impl WithSimd for GradientRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { out, gradient, x, factors: [a, mean, b, c] } = self;
        for ((out, &g), &x) in out.iter_mut().zip(gradient).zip(x) {
            *out = g * a + ((x - mean) * b + c);
        }
    }
}

/// The sum of a row.
struct Sum<'a>(&'a [f32]);
/// The sums over a row of the distances from a center, and of their squares.
struct Distances<'a>(&'a [f32], f32);
/// The sums of `g` and of `g (x - mean)` over a row.
struct Products<'a>(&'a [f32], &'a [f32], f32);

/// Sums that run side by side, so that an addition need not wait for the one before.
const CHAINS: usize = 4;

impl WithSimd for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [simd.splat_f32s(0.0); CHAINS];
        let (vectors, tail) = S::as_simd_f32s(self.0);
        for vectors in vectors.chunks(CHAINS) {
            for (sum, &value) in sums.iter_mut().zip(vectors) {
                *sum = simd.add_f32s(*sum, value);
            }
        }
        total(simd, sums) + tail.iter().map(|&value| f64::from(value)).sum::<f64>()
    }
}

impl WithSimd for Distances<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let Self(row, center) = self;
        let centers = simd.splat_f32s(center);
        let mut sums = [[simd.splat_f32s(0.0); CHAINS]; 2];
        let (vectors, tail) = S::as_simd_f32s(row);
        for vectors in vectors.chunks(CHAINS) {
            for (chain, &value) in vectors.iter().enumerate() {
                let distance = simd.sub_f32s(value, centers);
                sums[0][chain] = simd.add_f32s(sums[0][chain], distance);
                sums[1][chain] = multiply_add(simd, distance, distance, sums[1][chain]);
            }
        }
        let mut result = [total(simd, sums[0]), total(simd, sums[1])];
        for &value in tail {
            let distance = f64::from(value - center);
            result[0] += distance;
            result[1] += distance * distance;
        }
        result
    }
}

impl WithSimd for Products<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let Self(gradient, x, mean) = self;
        let means = simd.splat_f32s(mean);
        let mut sums = [[simd.splat_f32s(0.0); CHAINS]; 2];
        let (gradients, gradient_tail) = S::as_simd_f32s(gradient);
        let (inputs, input_tail) = S::as_simd_f32s(x);
        for (gradients, inputs) in gradients.chunks(CHAINS).zip(inputs.chunks(CHAINS)) {
            for (chain, (&gradient, &x)) in gradients.iter().zip(inputs).enumerate() {
                sums[0][chain] = simd.add_f32s(sums[0][chain], gradient);
                sums[1][chain] =
                    multiply_add(simd, gradient, simd.sub_f32s(x, means), sums[1][chain]);
            }
        }
        let mut result = [total(simd, sums[0]), total(simd, sums[1])];
        for (&gradient, &x) in gradient_tail.iter().zip(input_tail) {
            result[0] += f64::from(gradient);
            result[1] += f64::from(gradient * (x - mean));
        }
        result
    }
}

#[inline(always)]
fn total<S: Simd>(simd: S, sums: [S::f32s; CHAINS]) -> f64 {
    let mut total = 0.0;
    for sum in sums {
        total += f64::from(simd.reduce_sum_f32s(sum));
    }
    total
}
