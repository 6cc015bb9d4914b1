//! The product of packed weights with the planes of an image: convolutions forward, and backward to
//! their input.
//!
//! A tile of eight output channels by two vectors of positions stays in registers while all input
//! channels and taps pass by: one load serves eight multiplications, one broadcast two. Images are
//! independent tasks.

use super::epilogue::FusedEpilogue;
use super::image_layout::ImageLayout;
use super::lanes::store;
use super::memory::{build, scratch};
use super::packed::{BLOCK, Packed, merge};
use super::pool::Block;
use super::source::Source;
use super::sum::add;
use crate::arch::{WIDEST, arch, multiply_add};
use pulp::{Simd, WithSimd};

/// Vectors of positions in a tile.
const VECTORS: usize = 2;
/// Images of one task, at most.
const IMAGES: usize = 4;

/// A layout and what is computed by it: the outputs of one or more phases.
pub struct Correlation {
    layout: ImageLayout,
    phases: Vec<Phase>,
    /// The layout of the phases within the outputs.
    stride: [usize; 2],
}

/// Some of a layout's taps with their weights.
struct Phase {
    weights: Packed,
    /// The start of each tap's values in each channel.
    offsets: Vec<usize>,
}

impl Correlation {
    /// The taps in phases of the given lengths. `weight(output, channel, element)` is that of an
    /// element of the kernel.
    pub fn new(
        layout: ImageLayout,
        counts: &[usize],
        stride: [usize; 2],
        [channels, outputs]: [usize; 2],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let mut first = 0;
        let phase = |&count: &usize| {
            let taps = first..first + count;
            first += count;
            let elements = &layout.elements()[taps.clone()];
            let weights = Packed::new(outputs, channels, count, |output, channel, tap| {
                weight(output, channel, elements[tap])
            });
            let (offsets, len) = (&layout.offsets()[taps], layout.channel_len());
            let of_channel = |channel| offsets.iter().map(move |offset| channel * len + offset);
            Phase { weights, offsets: (0..channels).flat_map(of_channel).collect() }
        };
        let phases = counts.iter().map(phase).collect();
        Self { layout, phases, stride }
    }

    fn channels(&self) -> usize {
        self.phases[0].weights.channels
    }

    fn outputs(&self) -> usize {
        self.phases[0].weights.outputs
    }

    fn planes_len(&self) -> usize {
        self.channels() * self.layout.channel_len() + VECTORS * WIDEST
    }

    /// Outputs of all phases, before they are merged.
    fn phases_len(&self) -> usize {
        let count = self.phases.len();
        if count > 1 { count * self.outputs() * self.layout.grid_len() } else { 0 }
    }
}

/// The correlation of all images, whose outputs are `size`, rows and columns, each.
pub fn correlate(
    source: Source,
    correlation: &Correlation,
    epilogue: FusedEpilogue,
    batch: usize,
    size: [usize; 2],
) -> Block {
    let arch = arch();
    // Small batches in smaller tasks, so that every thread has some.
    let images = batch.div_ceil(4 * rayon::current_num_threads()).min(IMAGES);
    let out_len = correlation.outputs() * size[0] * size[1];
    let gated_len = source.gated_len(source.len / correlation.channels());
    let memory = correlation.planes_len() + gated_len + correlation.phases_len();
    build(batch * out_len, out_len * images, |task, out| {
        let first = task * images;
        // Memory is lent outside: what a closure does cannot be compiled for the processor at hand.
        scratch(memory, |memory| {
            let (planes, memory) = memory.split_at_mut(correlation.planes_len());
            let (gated, phases) = memory.split_at_mut(gated_len);
            let memory = Memory { planes, gated, phases };
            arch.dispatch(Task { source, correlation, epilogue, first, size, out, memory });
        });
    })
}

struct Memory<'a> {
    planes: &'a mut [f32],
    /// A channel behind its gate.
    gated: &'a mut [f32],
    /// The outputs of the phases.
    phases: &'a mut [f32],
}

struct Task<'a> {
    source: Source<'a>,
    correlation: &'a Correlation,
    epilogue: FusedEpilogue<'a>,
    first: usize,
    size: [usize; 2],
    out: &'a mut [f32],
    memory: Memory<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { source, correlation, epilogue, first, size, out, memory } = self;
        let Memory { planes, gated, phases } = memory;
        let Correlation { layout, stride, .. } = correlation;
        let channel = source.len / correlation.channels();
        let out_len = correlation.outputs() * size[0] * size[1];
        for (image, out) in out.chunks_exact_mut(out_len).enumerate() {
            let channels = planes.chunks_exact_mut(layout.channel_len());
            for (c, planes) in channels.take(correlation.channels()).enumerate() {
                let at = (first + image) * source.len + c * channel;
                layout.fill(source.channel(simd, at, channel, gated), planes);
            }
            if let [phase] = &correlation.phases[..] {
                let epilogue = epilogue.of_image(first + image, out_len);
                product(simd, phase, layout.grid_len(), planes, epilogue, out);
                continue;
            }
            let len = phases.len() / correlation.phases.len();
            for (phase, out) in correlation.phases.iter().zip(phases.chunks_exact_mut(len)) {
                product(simd, phase, layout.grid_len(), planes, FusedEpilogue::default(), out);
            }
            merge(phases, layout.grid(), *stride, size, out);
            if let Some(residual) = epilogue.of_image(first + image, out_len).residual {
                add(simd, out, residual);
            }
        }
    }
}

/// All outputs of one image, `[outputs, grid]`.
#[inline(always)]
fn product<S: Simd>(
    simd: S,
    phase: &Phase,
    grid: usize,
    planes: &[f32],
    epilogue: FusedEpilogue,
    out: &mut [f32],
) {
    // Positions outside, channels inside: a tile's values stay in the first cache for all of its
    // channels.
    for position in (0..grid).step_by(VECTORS * S::F32_LANES) {
        for block in 0..phase.weights.outputs.div_ceil(BLOCK) {
            if S::REGISTER_COUNT >= 32 {
                tile::<S, 8>(simd, phase, planes, (block, 0), (position, grid), epilogue, out);
            } else {
                tile::<S, 4>(simd, phase, planes, (block, 0), (position, grid), epilogue, out);
                tile::<S, 4>(simd, phase, planes, (block, 4), (position, grid), epilogue, out);
            }
        }
    }
}

/// `OUT` output channels, from lane `lane` of a block on, at [`VECTORS`] vectors of positions.
#[inline(always)]
fn tile<S: Simd, const OUT: usize>(
    simd: S,
    phase: &Phase,
    planes: &[f32],
    (block, lane): (usize, usize),
    (position, grid): (usize, usize),
    epilogue: FusedEpilogue,
    out: &mut [f32],
) {
    let weights = &phase.weights;
    let first = block * BLOCK + lane;
    if first >= weights.outputs {
        return;
    }
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; OUT];
    for (output, sums) in (first..weights.outputs).zip(&mut sums) {
        *sums = [epilogue.shift(simd, output); VECTORS];
    }
    // One loop over channels and taps alike: between two nested ones the sums would travel through
    // memory.
    let weights_of = weights.block(block).as_chunks::<BLOCK>().0;
    let planes = &planes[position..];
    for (&offset, weights) in phase.offsets.iter().zip(weights_of) {
        let (values, _) = S::as_simd_f32s(&planes[offset..][..VECTORS * S::F32_LANES]);
        // As arrays, so that no index is checked.
        let values: &[S::f32s; VECTORS] = values.try_into().expect("whole vectors");
        let weights: &[f32; OUT] = weights[lane..].first_chunk().expect("a part of a block");
        for out in 0..OUT {
            let weight = simd.splat_f32s(weights[out]);
            for vector in 0..VECTORS {
                sums[out][vector] = multiply_add(simd, weight, values[vector], sums[out][vector]);
            }
        }
    }
    for (out_channel, sums) in (first..weights.outputs).zip(sums) {
        for (vector, mut value) in sums.into_iter().enumerate() {
            let at = position + vector * S::F32_LANES;
            if at >= grid {
                break;
            }
            let places = out_channel * grid + at..out_channel * grid + grid.min(at + S::F32_LANES);
            value = epilogue.finish(simd, value, places.clone());
            store(simd, &mut out[places], value);
        }
    }
}
