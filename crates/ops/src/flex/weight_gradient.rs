//! The gradient of a convolution's weights: products of the output's gradient with the planes of the input, summed over
//! positions and images.
//!
//! Vectors run along the positions, so the sums of up to nine taps and several output channels stay in registers while
//! the images of a task pass by, and are added up once at the end. Tasks are fixed groups of images, whose results are
//! added in order: the sum does not depend on the number of threads.

use super::memory::scratch;
use super::plan::Plan;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Positions of a task, all its images together. Enough that adding up the lanes of a sum costs little against making it.
const POSITIONS: usize = 4096;
/// Images of a task, at most: a batch should give work to several threads.
const IMAGES: usize = 32;
/// Floats in the widest vector that is known.
const WIDEST: usize = 16;

/// What the gradient is made of.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// The input, `[batch, channels, input]`.
    pub input: &'a [f32],
    /// The output's gradient, `[batch, outputs, positions]`.
    pub gradient: &'a [f32],
    /// Channels in and out.
    pub channels: [usize; 2],
}

/// The gradient, `[outputs, channels, taps]`.
pub fn weight_gradient(pair: Pair, plan: &Plan, batch: usize) -> Vec<f32> {
    let [channels, outputs] = pair.channels;
    let arch = Arch::new();
    let images = POSITIONS.div_ceil(plan.grid_len().max(1)).min(IMAGES);
    let sums: Vec<Vec<f32>> = (0..batch.div_ceil(images))
        .into_par_iter()
        .map(|task| {
            let range = task * images..batch.min((task + 1) * images);
            let mut sums = vec![0.0; outputs * channels * plan.offsets().len()];
            let of_batch = |all: usize| all / batch;
            let input = &pair.input[range.start * of_batch(pair.input.len())..]
                [..range.len() * of_batch(pair.input.len())];
            let gradient = &pair.gradient[range.start * of_batch(pair.gradient.len())..]
                [..range.len() * of_batch(pair.gradient.len())];
            let pair = Pair { input, gradient, ..pair };
            let images = range.len();
            // Memory is lent outside: what a closure does cannot be compiled for the processor at hand.
            scratch(images * planes_len(plan), |planes| {
                let (whole, rest) = (Vec::new(), Vec::new());
                let task = Task { pair, plan, images, sums: &mut sums, planes, whole, rest };
                arch.dispatch(task);
            });
            sums
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut total = sums.next().unwrap_or_default();
    for sums in sums {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    total
}

struct Task<'a> {
    pair: Pair<'a>,
    plan: &'a Plan,
    images: usize,
    sums: &'a mut [f32],
    planes: &'a mut [f32],
    /// Where the vectors of positions start in the planes and in the gradient: whole ones, and the last of each image
    /// where there is less than a vector left.
    whole: Vec<(usize, usize)>,
    rest: Vec<(usize, usize)>,
}

/// Floats of one image's planes of one channel.
fn planes_len(plan: &Plan) -> usize {
    plan.channel_len() + WIDEST
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.pair.channels[0];
        let channel = self.pair.input.len() / (self.images * channels);
        let planes_len = planes_len(self.plan);
        let grid = self.plan.grid_len();
        for image in 0..self.images {
            let starts = [image * planes_len, image * self.pair.channels[1] * grid];
            let at = |position| (starts[0] + position, starts[1] + position);
            let whole = grid - grid % S::F32_LANES;
            self.whole.extend((0..whole).step_by(S::F32_LANES).map(at));
            self.rest.extend((whole < grid).then(|| at(whole)));
        }
        let planes = std::mem::take(&mut self.planes);
        for c in 0..channels {
            let images = self.pair.input.chunks_exact(channels * channel);
            for (planes, image) in planes.chunks_exact_mut(planes_len).zip(images) {
                self.plan.fill(&image[c * channel..][..channel], planes);
            }
            self.channel(simd, c, planes);
        }
    }
}

impl Task<'_> {
    /// The gradients of all weights of one input channel.
    #[inline(always)]
    fn channel<S: Simd>(&mut self, simd: S, c: usize, planes: &[f32]) {
        let [channels, outputs] = self.pair.channels;
        let taps = self.plan.offsets().len();
        let mut output = 0;
        while output < outputs {
            let left = outputs - output;
            let step = match S::REGISTER_COUNT {
                32.. if left >= 2 => 2,
                ..32 if left >= 4 => 4,
                _ => 1,
            };
            let mut tap = 0;
            while tap < taps {
                let at = (output, tap);
                let (count, sums) = match (step, taps - tap) {
                    (2, 9..) => (9, lanes::<S, 2, 9>(simd, self, planes, at)),
                    (2, 3..) => (3, lanes::<S, 2, 3>(simd, self, planes, at)),
                    (2, _) => (1, lanes::<S, 2, 1>(simd, self, planes, at)),
                    (4, 3..) => (3, lanes::<S, 4, 3>(simd, self, planes, at)),
                    (4, _) => (1, lanes::<S, 4, 1>(simd, self, planes, at)),
                    (_, 9..) => (9, lanes::<S, 1, 9>(simd, self, planes, at)),
                    (_, 3..) => (3, lanes::<S, 1, 3>(simd, self, planes, at)),
                    (_, _) => (1, lanes::<S, 1, 1>(simd, self, planes, at)),
                };
                for (i, sums) in sums.chunks_exact(MOST_TAPS).take(step).enumerate() {
                    let row = ((output + i) * channels + c) * taps + tap;
                    self.sums[row..row + count].copy_from_slice(&sums[..count]);
                }
                tap += count;
            }
            output += step;
        }
    }
}

const MOST_OUTPUTS: usize = 4;
const MOST_TAPS: usize = 9;

/// The sums over the task's images and positions for `OUT` output channels and `TAPS` taps, a row for each channel.
#[inline(always)]
fn lanes<S: Simd, const OUT: usize, const TAPS: usize>(
    simd: S,
    task: &Task,
    planes: &[f32],
    (output, tap): (usize, usize),
) -> [f32; MOST_OUTPUTS * MOST_TAPS] {
    let grid = task.plan.grid_len();
    let offsets: &[usize; TAPS] =
        task.plan.offsets()[tap..].first_chunk().expect("so many taps are left");
    let mut sums = [[simd.splat_f32s(0.0); TAPS]; OUT];
    let gradient = &task.pair.gradient[output * grid..];
    // One loop over images and positions alike: between two nested ones the sums would travel through memory.
    for &(of_plane, of_gradient) in &task.whole {
        multiply::<S, OUT, TAPS, true>(
            simd,
            &mut sums,
            (gradient, grid),
            planes,
            offsets,
            of_plane,
            of_gradient,
        );
    }
    for &(of_plane, of_gradient) in &task.rest {
        multiply::<S, OUT, TAPS, false>(
            simd,
            &mut sums,
            (gradient, grid),
            planes,
            offsets,
            of_plane,
            of_gradient,
        );
    }
    let mut flat = [0.0; MOST_OUTPUTS * MOST_TAPS];
    for (row, sums) in flat.chunks_exact_mut(MOST_TAPS).zip(sums) {
        for (flat, sum) in row.iter_mut().zip(sums) {
            *flat = simd.reduce_sum_f32s(sum);
        }
    }
    flat
}

/// Adds the products of a vector of positions: those from `of_plane` on in the planes, from `of_gradient` on in the
/// gradients of each output channel, which are `grid` long; of the last positions of a grid unless `WHOLE`.
#[inline(always)]
fn multiply<S: Simd, const OUT: usize, const TAPS: usize, const WHOLE: bool>(
    simd: S,
    sums: &mut [[S::f32s; TAPS]; OUT],
    (gradient, grid): (&[f32], usize),
    planes: &[f32],
    offsets: &[usize; TAPS],
    of_plane: usize,
    of_gradient: usize,
) {
    let count = if WHOLE { S::F32_LANES } else { grid % S::F32_LANES };
    let mut gradients = [simd.splat_f32s(0.0); OUT];
    for out in 0..OUT {
        gradients[out] = load::<S, WHOLE>(simd, &gradient[of_gradient + out * grid..][..count]);
    }
    let planes = &planes[of_plane..];
    for tap in 0..TAPS {
        let value = load::<S, WHOLE>(simd, &planes[offsets[tap]..][..count]);
        for out in 0..OUT {
            sums[out][tap] = simd.mul_add_f32s(gradients[out], value, sums[out][tap]);
        }
    }
}

/// The values, and zeros after them.
#[inline(always)]
fn load<S: Simd, const WHOLE: bool>(simd: S, values: &[f32]) -> S::f32s {
    if WHOLE { S::as_simd_f32s(values).0[0] } else { simd.partial_load_f32s(values) }
}
