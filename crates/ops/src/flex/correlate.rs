//! The product of packed weights with the planes of an image: convolutions forward, and backward to their input.
//!
//! A tile of eight output channels by two vectors of positions stays in registers while all input channels and taps pass
//! by: one load serves eight multiplications, one broadcast two. Images are independent tasks.

use super::epilogue::Epilogue;
use super::layout::{BLOCK, Packed, Place};
use super::memory::{build, scratch};
use super::plan::Plan;
use super::pool::Block;
use super::source::Source;
use pulp::{Arch, Simd, WithSimd};

/// Vectors of positions in a tile.
const VECTORS: usize = 2;
/// Floats in the widest vector that is known.
const WIDEST: usize = 16;
/// Images of one task, at most.
const IMAGES: usize = 4;

/// One plan with its weights, and where its outputs go.
pub struct Part {
    plan: Plan,
    weights: Packed,
    /// `None` where the outputs are the whole image.
    place: Option<Place>,
    /// Where the values of each tap of each channel start.
    offsets: Vec<usize>,
}

/// All parts for all images, `out_len` floats each. Outputs that no part reaches are zero.
pub fn correlate(
    source: Source,
    parts: &[Part],
    epilogue: Epilogue,
    batch: usize,
    out_len: usize,
) -> Block {
    let arch = Arch::new();
    // Small batches in smaller tasks, so that every thread has some.
    let images = batch.div_ceil(4 * rayon::current_num_threads()).min(IMAGES);
    let reached: usize = parts.iter().map(|part| part.weights.outputs * part.plan.grid_len()).sum();
    build(batch * out_len, out_len * images, |task, out| {
        let first = task * images;
        if reached < out_len {
            out.fill(0.0);
        }
        for part in parts {
            // Memory is lent outside: what a closure does cannot be compiled for the processor at hand.
            scratch(part.memory(source), |memory| {
                arch.dispatch(Task { source, part, epilogue, first, out, out_len, memory });
            });
        }
    })
}

impl Part {
    pub fn new(plan: Plan, weights: Packed, place: Option<Place>) -> Self {
        let of_channel = |channel| plan.offsets().iter().map(move |offset| (channel, offset));
        let offsets = (0..weights.channels).flat_map(of_channel);
        let offsets =
            offsets.map(|(channel, offset)| channel * plan.channel_len() + offset).collect();
        Self { plan, weights, place, offsets }
    }

    /// Floats that a task needs: the planes, a channel behind its gate, and outputs before they are scattered.
    fn memory(&self, source: Source) -> usize {
        self.planes_len() + self.gated_len(source) + self.dense_len()
    }

    fn planes_len(&self) -> usize {
        self.weights.channels * self.plan.channel_len() + VECTORS * WIDEST
    }

    fn gated_len(&self, source: Source) -> usize {
        source.gated_len(source.len / self.weights.channels)
    }

    fn dense_len(&self) -> usize {
        self.place.as_ref().map_or(0, |_| self.weights.outputs * self.plan.grid_len())
    }
}

struct Task<'a> {
    source: Source<'a>,
    part: &'a Part,
    epilogue: Epilogue<'a>,
    first: usize,
    out: &'a mut [f32],
    out_len: usize,
    memory: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (part, source, plan) = (self.part, self.source, &self.part.plan);
        let channel = source.len / part.weights.channels;
        let (planes, memory) = self.memory.split_at_mut(part.planes_len());
        let (gated, dense) = memory.split_at_mut(part.gated_len(source));
        for (i, out) in self.out.chunks_exact_mut(self.out_len).enumerate() {
            let channels = planes.chunks_exact_mut(plan.channel_len()).take(part.weights.channels);
            for (c, planes) in channels.enumerate() {
                let at = (self.first + i) * source.len + c * channel;
                plan.fill(source.channel(simd, at, channel, gated), planes);
            }
            let epilogue = self.epilogue.of_image(self.first + i, self.out_len);
            match &part.place {
                None => product(simd, part, planes, epilogue, out),
                Some(place) => {
                    product(simd, part, planes, epilogue, dense);
                    place.scatter(dense, out);
                }
            }
        }
    }
}

/// All outputs of one image, `[outputs, grid]`.
#[inline(always)]
fn product<S: Simd>(simd: S, part: &Part, planes: &[f32], epilogue: Epilogue, out: &mut [f32]) {
    let grid = part.plan.grid_len();
    // Positions outside, channels inside: a tile's values stay in the first cache for all of its channels.
    for position in (0..grid).step_by(VECTORS * S::F32_LANES) {
        for block in 0..part.weights.outputs.div_ceil(BLOCK) {
            if S::REGISTER_COUNT >= 32 {
                tile::<S, 8>(simd, part, planes, (block, 0), position, epilogue, out);
            } else {
                tile::<S, 4>(simd, part, planes, (block, 0), position, epilogue, out);
                tile::<S, 4>(simd, part, planes, (block, 4), position, epilogue, out);
            }
        }
    }
}

/// `OUT` output channels, from lane `lane` of a block on, at [`VECTORS`] vectors of positions.
#[inline(always)]
fn tile<S: Simd, const OUT: usize>(
    simd: S,
    part: &Part,
    planes: &[f32],
    (block, lane): (usize, usize),
    position: usize,
    epilogue: Epilogue,
    out: &mut [f32],
) {
    let (plan, weights) = (&part.plan, &part.weights);
    let first = block * BLOCK + lane;
    if first >= weights.outputs {
        return;
    }
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; OUT];
    for (output, sums) in (first..weights.outputs).zip(&mut sums) {
        *sums = [epilogue.shift(simd, output); VECTORS];
    }
    // One loop over channels and taps alike: between two nested ones the sums would travel through memory.
    let weights_of = weights.block(block).as_chunks::<BLOCK>().0;
    let planes = &planes[position..];
    for (&offset, weights) in part.offsets.iter().zip(weights_of) {
        let (values, _) = S::as_simd_f32s(&planes[offset..][..VECTORS * S::F32_LANES]);
        // As arrays, so that no index is checked.
        let values: &[S::f32s; VECTORS] = values.try_into().expect("whole vectors");
        let weights: &[f32; OUT] = weights[lane..].first_chunk().expect("a part of a block");
        for out in 0..OUT {
            let weight = simd.splat_f32s(weights[out]);
            for vector in 0..VECTORS {
                sums[out][vector] = simd.mul_add_f32s(weight, values[vector], sums[out][vector]);
            }
        }
    }
    let grid = plan.grid_len();
    for (out_channel, sums) in (first..weights.outputs).zip(sums) {
        for (vector, mut value) in sums.into_iter().enumerate() {
            let at = position + vector * S::F32_LANES;
            if at >= grid {
                break;
            }
            let places = out_channel * grid + at..out_channel * grid + grid.min(at + S::F32_LANES);
            value = epilogue.finish(simd, value, places.clone());
            let places = &mut out[places];
            match S::as_mut_simd_f32s(places).0 {
                [whole] => *whole = value,
                _ => simd.partial_store_f32s(places, value),
            }
        }
    }
}
