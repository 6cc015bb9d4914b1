//! The gradient of a convolution's weights: for each tap the product of the output's gradient with the input that the tap
//! reads, summed over positions and images.
//!
//! One side's channels lie along the vectors, the other side's are multiplied one by one: a few vectors and eight single
//! values make sums that stay in registers while the positions pass by. For that both sides are turned so that a position's
//! channels lie side by side. Usually the vectors are the input's, one for each tap; where the input has few channels, they
//! are the gradient's, and the single values are those under the kernel. Tasks are fixed groups of images, whose sums are
//! added in order: the result does not depend on the number of threads.

mod turn;
mod work;

use super::geometry::Geometry;
use super::lanes::load;
use super::memory::scratch;
use crate::arch::{arch, vector_len};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use turn::{turn_gradient, turn_input, turn_patches};
use work::Work;

/// Images of a task.
const IMAGES: usize = 8;
/// Positions that should pass by before the sums leave the registers, as far as a task's images have them.
const POSITIONS: usize = 512;
/// Single values that meet the vectors.
const SINGLES: usize = 8;

/// The gradient, `[outputs, channels, taps]`, from the input `[batch, channels, height, width]` and the output's gradient
/// `[batch, outputs, positions]`.
pub fn weight_gradient(input: &[f32], gradient: &[f32], geometry: Geometry) -> Vec<f32> {
    let arch = arch();
    let work = Work::new(geometry, vector_len());
    let sums: Vec<Vec<f32>> = (0..geometry.batch.div_ceil(IMAGES))
        .into_par_iter()
        .map(|task| {
            let images = task * IMAGES..geometry.batch.min((task + 1) * IMAGES);
            let mut sums = vec![0.0; work.units.len() * work.blocks * SINGLES * work.lanes];
            // Memory is lent outside: what a closure does cannot be compiled for the processor at hand.
            scratch(work.memory().iter().sum(), |memory| {
                let (work, sums) = (&work, &mut sums);
                arch.dispatch(Task { work, input, gradient, images, memory, sums });
            });
            sums
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut total = sums.next().unwrap_or_default();
    for sums in sums {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    work.sort(&total)
}

struct Task<'a> {
    work: &'a Work,
    input: &'a [f32],
    gradient: &'a [f32],
    images: std::ops::Range<usize>,
    memory: &'a mut [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { work, input, gradient, images, memory, sums } = self;
        let [vectors_len, singles_len, _] = work.memory();
        let (vectors, memory) = memory.split_at_mut(vectors_len);
        let (singles, planes) = memory.split_at_mut(singles_len);
        let sums = S::as_mut_simd_f32s(sums).0.as_chunks_mut::<SINGLES>().0;
        // The zeros around each image stay.
        vectors.fill(0.0);
        for first in images.clone().step_by(work.group) {
            let count = work.group.min(images.end - first);
            let (input, gradient) = (
                &input[first * work.geometry.input_len()..],
                &gradient[first * work.geometry.output_len()..],
            );
            if work.by_input {
                turn_input(simd, work, input, count, vectors);
                turn_gradient(simd, work, SINGLES, gradient, count, singles);
            } else {
                turn_gradient(simd, work, S::F32_LANES, gradient, count, vectors);
                turn_patches(simd, work, input, count, planes, singles);
            }
            let positions = &work.positions[..work.positions.len() / work.group * count];
            let singles = singles.as_chunks::<SINGLES>().0.chunks_exact(work.positions.len());
            for (block, singles) in singles.take(work.blocks).enumerate() {
                let passing = Passing { vectors, positions, singles };
                let mut unit = 0;
                while unit < work.units.len() {
                    let units = &work.units[unit..];
                    let sums = sums[unit * work.blocks + block..].iter_mut().step_by(work.blocks);
                    unit += match units.len() {
                        3.. if S::REGISTER_COUNT >= 32 => {
                            passing.multiply::<S, 3>(simd, units, sums)
                        }
                        _ => passing.multiply::<S, 1>(simd, units, sums),
                    }
                }
            }
        }
    }
}

/// What passes by while sums stay in registers.
struct Passing<'a> {
    vectors: &'a [f32],
    /// Where each position's vectors begin.
    positions: &'a [usize],
    /// Each position's single values.
    singles: &'a [[f32; SINGLES]],
}

impl Passing<'_> {
    /// Adds the products of the first `UNITS` vectors of each position with its single values to the sums of these units.
    /// Returns `UNITS`.
    #[inline(always)]
    fn multiply<'b, S: Simd, const UNITS: usize>(
        &self,
        simd: S,
        units: &[usize],
        total: impl Iterator<Item = &'b mut [S::f32s; SINGLES]>,
    ) -> usize {
        let units: &[usize; UNITS] = units.first_chunk().expect("so many are left");
        let mut sums = [[simd.splat_f32s(0.0); SINGLES]; UNITS];
        for (&position, singles) in self.positions.iter().zip(self.singles) {
            let vectors = &self.vectors[position..];
            let mut values = [simd.splat_f32s(0.0); UNITS];
            for unit in 0..UNITS {
                values[unit] = load(simd, &vectors[units[unit]..][..S::F32_LANES]);
            }
            for single in 0..SINGLES {
                let factor = simd.splat_f32s(singles[single]);
                for unit in 0..UNITS {
                    sums[unit][single] =
                        simd.mul_add_f32s(factor, values[unit], sums[unit][single]);
                }
            }
        }
        for (total, sums) in total.zip(sums) {
            for single in 0..SINGLES {
                total[single] = simd.add_f32s(total[single], sums[single]);
            }
        }
        UNITS
    }
}
