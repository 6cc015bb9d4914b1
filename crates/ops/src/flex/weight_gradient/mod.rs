//! The gradient of a convolution's weights: for each tap the product of the output's gradient with
//! the input that the tap reads, summed over positions and images.
//!
//! One side's channels lie along the vectors, the other side's are multiplied one by one: a few
//! vectors and eight scalars make sums that stay in registers while the positions pass by.
//! For that both sides are transposed so that a position's channels lie side by side. Usually the
//! vectors are the input's, one for each tap; where the input has few channels, they are the
//! gradient's, and the scalars are those under the kernel. Tasks are fixed groups of images,
//! whose sums are added in order: the result does not depend on the number of threads.

mod transpose;
mod work;

use super::geometry::Geometry;
use super::lanes::load;
use super::memory::scratch;
use super::pool::Block;
use crate::arch::{arch, multiply_add, vector_len};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use transpose::{transpose_gradient, transpose_input, transpose_patches};
use work::Work;

/// Images of a task.
const IMAGES: usize = 8;
/// Positions that should pass by before the sums leave the registers, as far as a task's images
/// have them.
const POSITIONS: usize = 512;
/// Scalars that meet the vectors.
const SCALARS: usize = 8;
/// Sums that a task adds up over all groups of images.
const TASK: usize = 1 << 12;

/// The gradient, `[outputs, channels, taps]`, from the input `[batch, channels, height, width]` and
/// the output's gradient `[batch, outputs, positions]`.
pub fn weight_gradient(input: &[f32], gradient: &[f32], geometry: Geometry) -> Vec<f32> {
    let arch = arch();
    let work = Work::new(geometry, vector_len());
    let mut sums: Vec<Block> = (0..geometry.batch.div_ceil(IMAGES))
        .into_par_iter()
        .map(|task| {
            let images = task * IMAGES..geometry.batch.min((task + 1) * IMAGES);
            let mut sums = Block::new(work.units.len() * work.blocks * SCALARS * work.lanes);
            sums.values_mut().fill(0.0);
            // Memory is lent outside: what a closure does cannot be compiled for the processor at
            // hand.
            scratch(work.memory().iter().sum(), |memory| {
                let (work, sums) = (&work, sums.values_mut());
                arch.dispatch(Task { work, input, gradient, images, memory, sums });
            });
            sums
        })
        .collect();
    let Some((total, rest)) = sums.split_first_mut() else { return work.sort(&[]) };
    total.values_mut().par_chunks_mut(TASK).enumerate().for_each(|(part, total)| {
        for sums in &*rest {
            total
                .iter_mut()
                .zip(&sums.values()[part * TASK..])
                .for_each(|(total, sum)| *total += sum);
        }
    });
    work.sort(total.values())
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
        let [vectors_len, scalars_len, _] = work.memory();
        let (vectors, memory) = memory.split_at_mut(vectors_len);
        let (scalars, planes) = memory.split_at_mut(scalars_len);
        let sums = S::as_mut_simd_f32s(sums).0.as_chunks_mut::<SCALARS>().0;
        // The zeros around each image stay.
        vectors.fill(0.0);
        for first in images.clone().step_by(work.group) {
            let count = work.group.min(images.end - first);
            let (input, gradient) = (
                &input[first * work.geometry.input_len()..],
                &gradient[first * work.geometry.output_len()..],
            );
            if work.by_input {
                transpose_input(simd, work, input, count, vectors);
                let blocks = [SCALARS, work.block_len()];
                transpose_gradient(simd, work, blocks, gradient, count, scalars);
            } else {
                // Blocks follow one another closely: each is written behind the one before.
                let blocks = [S::F32_LANES, work.positions.len()];
                transpose_gradient(simd, work, blocks, gradient, count, vectors);
                transpose_patches(simd, work, input, count, planes, scalars);
            }
            let positions = &work.positions[..work.positions.len() / work.group * count];
            let scalars = scalars.as_chunks::<SCALARS>().0.chunks_exact(work.block_len());
            for (block, scalars) in scalars.take(work.blocks).enumerate() {
                let along = Positions { vectors, positions, scalars };
                let mut unit = 0;
                while unit < work.units.len() {
                    let units = &work.units[unit..];
                    let sums = sums[unit * work.blocks + block..].iter_mut().step_by(work.blocks);
                    unit += match units.len() {
                        3.. if S::REGISTER_COUNT >= 32 => along.multiply::<S, 3>(simd, units, sums),
                        _ => along.multiply::<S, 1>(simd, units, sums),
                    }
                }
            }
        }
    }
}

/// The positions that pass by while sums stay in registers.
struct Positions<'a> {
    vectors: &'a [f32],
    /// The start of each position's vectors.
    positions: &'a [usize],
    /// Each position's scalars.
    scalars: &'a [[f32; SCALARS]],
}

impl Positions<'_> {
    /// Adds the products of the first `UNITS` vectors of each position with its scalars to
    /// the sums of these units. Returns `UNITS`.
    #[inline(always)]
    fn multiply<'b, S: Simd, const UNITS: usize>(
        &self,
        simd: S,
        units: &[usize],
        total: impl Iterator<Item = &'b mut [S::f32s; SCALARS]>,
    ) -> usize {
        let units: &[usize; UNITS] = units.first_chunk().expect("so many are left");
        let mut sums = [[simd.splat_f32s(0.0); SCALARS]; UNITS];
        for (&position, scalars) in self.positions.iter().zip(self.scalars) {
            let vectors = &self.vectors[position..];
            let mut values = [simd.splat_f32s(0.0); UNITS];
            for unit in 0..UNITS {
                values[unit] = load(simd, &vectors[units[unit]..][..S::F32_LANES]);
            }
            for scalar in 0..SCALARS {
                let factor = simd.splat_f32s(scalars[scalar]);
                for unit in 0..UNITS {
                    sums[unit][scalar] =
                        multiply_add(simd, factor, values[unit], sums[unit][scalar]);
                }
            }
        }
        for (total, sums) in total.zip(sums) {
            for scalar in 0..SCALARS {
                total[scalar] = simd.add_f32s(total[scalar], sums[scalar]);
            }
        }
        UNITS
    }
}
