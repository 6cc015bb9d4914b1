//! The gradient of a convolution's weights: for each tap the product of the output's gradient with the input that the tap
//! reads, summed over positions and images.
//!
//! One side's channels lie along the vectors, the other side's are multiplied one by one: a few vectors and eight single
//! values make sums that stay in registers while the positions pass by. For that both sides are turned so that a position's
//! channels lie side by side. Usually the vectors are the input's, one for each tap; where the input has few channels, they
//! are the gradient's, and the single values are those under the kernel. Tasks are fixed groups of images, whose sums are
//! added in order: the result does not depend on the number of threads.

use super::arch::{arch, vector_len};
use super::geometry::Geometry;
use super::lanes::transpose;
use super::memory::scratch;
use super::plan::Plan;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

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

/// What the tasks have in common.
struct Work {
    geometry: Geometry,
    lanes: usize,
    /// Whether the vectors are the input's.
    by_input: bool,
    /// Images whose positions pass by together.
    group: usize,
    /// Positions of an image that have vectors: those of the padded input or of the gradient.
    image: [usize; 2],
    /// Where each position's vectors begin, image by image.
    positions: Vec<usize>,
    /// Where the vectors of a position lie from there: steps of channels and, if they are the input's, of taps.
    units: Vec<usize>,
    /// Groups of single values.
    blocks: usize,
    /// Where the values under each tap lie, if the single values are the input's.
    plan: Plan,
}

impl Work {
    fn new(geometry: Geometry, lanes: usize) -> Self {
        let Geometry { kernel, stride, dilation, output, .. } = geometry;
        let [channels, outputs] = geometry.channels;
        let taps = geometry.kernel_len();
        let grid = output[0] * output[1];
        // What is padded with zeros to whole vectors costs as much as what is there.
        let costs =
            [channels.div_ceil(lanes) * taps * outputs, outputs.div_ceil(lanes) * taps * channels];
        let by_input = costs[0] <= costs[1];
        let group = POSITIONS.div_ceil(grid).min(IMAGES);
        let image = match by_input {
            true => [0, 1].map(|axis| {
                (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
            }),
            false => output,
        };
        let step = if by_input { stride } else { [1, 1] };
        let positions = (0..group * grid).map(|position| {
            let (index, row, column) =
                (position / grid, position % grid / output[1], position % output[1]);
            ((index * image[0] + row * step[0]) * image[1] + column * step[1]) * lanes
        });
        let vectors = (if by_input { channels } else { outputs }).div_ceil(lanes);
        let taps_of = |tap| {
            let [row, column] = geometry.reach(tap);
            row * image[1] + column
        };
        let taps: Vec<usize> = if by_input { (0..taps).map(taps_of).collect() } else { vec![0] };
        let units = (0..vectors).flat_map(|vector| {
            let start = vector * group * image[0] * image[1];
            taps.iter().map(move |tap| (start + tap) * lanes)
        });
        let singles = if by_input { outputs } else { channels * geometry.kernel_len() };
        Self {
            geometry,
            lanes,
            by_input,
            group,
            image,
            positions: positions.collect(),
            units: units.collect(),
            blocks: singles.div_ceil(SINGLES),
            plan: geometry.forward(),
        }
    }

    /// Floats of a task's vectors, single values and planes. The first two end with room for a vector of positions.
    fn memory(&self) -> [usize; 3] {
        let [channels, outputs] = self.geometry.channels;
        let vectors = (if self.by_input { channels } else { outputs }).div_ceil(self.lanes);
        let positions = [self.group * self.image[0] * self.image[1], self.positions.len()];
        let sizes = [
            (vectors * positions[0] + self.lanes) * self.lanes,
            (self.blocks * positions[1] + self.lanes) * SINGLES,
            if self.by_input { 0 } else { channels * self.plan.channel_len() },
        ];
        sizes.map(|size| size.next_multiple_of(self.lanes))
    }

    /// Sums `[units, blocks, 8, lanes]` in the gradient's order.
    fn sort(&self, sums: &[f32]) -> Vec<f32> {
        let [channels, outputs] = self.geometry.channels;
        let taps = self.geometry.kernel_len();
        let mut sorted = Vec::with_capacity(outputs * channels * taps);
        for output in 0..outputs {
            for row in 0..channels * taps {
                let (channel, tap) = (row / taps, row % taps);
                let (unit, single, lane) = match self.by_input {
                    true => (channel / self.lanes * taps + tap, output, channel % self.lanes),
                    false => (output / self.lanes, row, output % self.lanes),
                };
                sorted.push(sums[(unit * self.blocks * SINGLES + single) * self.lanes + lane]);
            }
        }
        sorted
    }
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
                turn_input::<S>(simd, work, input, count, vectors);
                turn_gradient::<S, SINGLES>(simd, work, gradient, count, singles);
            } else {
                match S::F32_LANES {
                    16 => turn_gradient::<S, 16>(simd, work, gradient, count, vectors),
                    8 => turn_gradient::<S, 8>(simd, work, gradient, count, vectors),
                    4 => turn_gradient::<S, 4>(simd, work, gradient, count, vectors),
                    2 => turn_gradient::<S, 2>(simd, work, gradient, count, vectors),
                    _ => turn_gradient::<S, 1>(simd, work, gradient, count, vectors),
                }
                turn_patches(simd, work, input, count, planes, singles);
            }
            let positions = &work.positions[..work.positions.len() / work.group * count];
            let singles = singles.as_chunks::<SINGLES>().0.chunks_exact(work.positions.len());
            for (block, singles) in singles.take(work.blocks).enumerate() {
                let mut unit = 0;
                while unit < work.units.len() {
                    let units = &work.units[unit..];
                    let sums = &mut sums[unit * work.blocks + block..];
                    unit += match units.len() {
                        3.. if S::REGISTER_COUNT >= 32 => multiply::<S, 3>(
                            simd,
                            vectors,
                            positions,
                            units,
                            singles,
                            sums,
                            work.blocks,
                        ),
                        _ => multiply::<S, 1>(
                            simd,
                            vectors,
                            positions,
                            units,
                            singles,
                            sums,
                            work.blocks,
                        ),
                    }
                }
            }
        }
    }
}

/// The input's channels as vectors, row by row into the middle of the zeros.
#[inline(always)]
fn turn_input<S: Simd>(simd: S, work: &Work, input: &[f32], images: usize, vectors: &mut [f32]) {
    let Geometry { channels: [channels, _], input: [height, width], padding, .. } = work.geometry;
    let image_len = work.image[0] * work.image[1];
    // What lies beyond the last tap's reach is not needed.
    let [rows, columns] = [0, 1].map(|axis| work.image[axis].saturating_sub(padding[axis]));
    let starts: Vec<usize> = (0..channels).map(|channel| channel * height * width).collect();
    for (vector, starts) in starts.chunks(S::F32_LANES).enumerate() {
        for image in 0..images {
            let target = (vector * work.group + image) * image_len;
            for row in 0..height.min(rows) {
                let source = &input[image * channels * height * width + row * width..];
                let target = target + (row + padding[0]) * work.image[1] + padding[1];
                let out = &mut vectors[target * S::F32_LANES..];
                let len = width.min(columns);
                match S::F32_LANES {
                    16 => transpose::<S, 16>(simd, source, starts, len, out),
                    8 => transpose::<S, 8>(simd, source, starts, len, out),
                    4 => transpose::<S, 4>(simd, source, starts, len, out),
                    2 => transpose::<S, 2>(simd, source, starts, len, out),
                    _ => transpose::<S, 1>(simd, source, starts, len, out),
                }
            }
        }
    }
}

/// The gradient's channels side by side, `ROWS` of them.
#[inline(always)]
fn turn_gradient<S: Simd, const ROWS: usize>(
    simd: S,
    work: &Work,
    gradient: &[f32],
    images: usize,
    out: &mut [f32],
) {
    let (outputs, len) = (work.geometry.channels[1], work.geometry.output_len());
    let grid = len / outputs;
    let starts: Vec<usize> = (0..outputs).map(|output| output * grid).collect();
    for (block, starts) in starts.chunks(ROWS).enumerate() {
        for image in 0..images {
            let out = &mut out[(block * work.group + image) * grid * ROWS..];
            transpose::<S, ROWS>(simd, &gradient[image * len..], starts, grid, out);
        }
    }
}

/// What lies under the kernel side by side, eight channels' and taps' values.
#[inline(always)]
fn turn_patches<S: Simd>(
    simd: S,
    work: &Work,
    input: &[f32],
    images: usize,
    planes: &mut [f32],
    out: &mut [f32],
) {
    let channels = work.geometry.channels[0];
    let (grid, len) = (work.plan.grid_len(), work.geometry.input_len() / channels);
    let taps = work.plan.offsets().iter();
    let starts: Vec<usize> = (0..channels)
        .flat_map(|channel| taps.clone().map(move |tap| channel * work.plan.channel_len() + tap))
        .collect();
    for image in 0..images {
        let channels = input[image * channels * len..].chunks_exact(len);
        for (planes, values) in planes.chunks_exact_mut(work.plan.channel_len()).zip(channels) {
            work.plan.fill(values, planes);
        }
        for (block, starts) in starts.chunks(SINGLES).enumerate() {
            let out = &mut out[(block * work.group + image) * grid * SINGLES..];
            transpose::<S, SINGLES>(simd, planes, starts, grid, out);
        }
    }
}

/// Adds the products of the first `UNITS` vectors of each position with its single values; the sums of a unit and the next
/// one's are `step` apart. Returns `UNITS`.
#[inline(always)]
fn multiply<S: Simd, const UNITS: usize>(
    simd: S,
    vectors: &[f32],
    positions: &[usize],
    units: &[usize],
    singles: &[[f32; SINGLES]],
    total: &mut [[S::f32s; SINGLES]],
    step: usize,
) -> usize {
    let units: &[usize; UNITS] = units.first_chunk().expect("so many are left");
    let mut sums = [[simd.splat_f32s(0.0); SINGLES]; UNITS];
    for (&position, singles) in positions.iter().zip(singles) {
        let vectors = &vectors[position..];
        let mut values = [simd.splat_f32s(0.0); UNITS];
        for unit in 0..UNITS {
            values[unit] = S::as_simd_f32s(&vectors[units[unit]..][..S::F32_LANES]).0[0];
        }
        for single in 0..SINGLES {
            let factor = simd.splat_f32s(singles[single]);
            for unit in 0..UNITS {
                sums[unit][single] = simd.mul_add_f32s(factor, values[unit], sums[unit][single]);
            }
        }
    }
    for (total, sums) in total.iter_mut().step_by(step).zip(sums) {
        for single in 0..SINGLES {
            total[single] = simd.add_f32s(total[single], sums[single]);
        }
    }
    UNITS
}
