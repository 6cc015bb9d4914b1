//! Convolutions of 3 by 3 elements by Winograd's minimal filtering F(2x2, 3x3), which takes 16
//! multiplications where the definition takes 36 (Lavin & Gray 2016, arXiv 1509.09308).
//!
//! The output is cut into tiles of 2 by 2, each of which depends on 4 by 4 inputs `d`. With
//! `G g Gᵀ` for each filter `g`, a tile is `Aᵀ [Σ (G g Gᵀ) ⊙ (Bᵀ d B)] A`, the sum over the input
//! channels. At each of the sixteen coefficients of a transformed tile the sums are a matrix
//! product of filters and tiles. Vectors run along the tiles of an image.

mod filters;
mod tiles;
mod transform;

pub use filters::Filters;
pub use tiles::Tiles;

use super::epilogue::FusedEpilogue;
use super::memory::{build, scratch};
use super::packed::BLOCK;
use super::pool::Block;
use super::source::Source;
use crate::arch::{WIDEST, arch, multiply_add, vector_len};
use pulp::{Simd, WithSimd};
use tiles::Place;
use transform::{analyse, split, synthesise};

/// Elements of a transformed tile.
const COEFFICIENTS: usize = 16;
/// Vectors of tiles that a product keeps in registers.
const VECTORS: usize = 2;

/// The convolution of all images of `source`, whose tiles fill vectors of [`vector_len`].
pub fn winograd(
    source: Source,
    filters: &Filters,
    tiles: Tiles,
    epilogue: FusedEpilogue,
    batch: usize,
) -> Block {
    let (arch, lanes) = (arch(), vector_len());
    let vectors = tiles.vectors(lanes);
    // Images of one task: at least so many that each filter, once read, meets a few vectors.
    let images = (2 * VECTORS).div_ceil(vectors);
    let out_len = filters.outputs * tiles.image_len();
    let places: Vec<Place> = (0..vectors).map(|vector| tiles.place(lanes, vector)).collect();
    let masks = tiles.masks();
    build(batch * out_len, out_len * images, |task, out| {
        let images = task * images..task * images + out.len() / out_len;
        let sizes = [
            COEFFICIENTS * spectrum_len(filters) * lanes,
            COEFFICIENTS * products_len(filters) * lanes,
            images.len() * filters.channels * 4 * tiles.plane_len() + 2 * WIDEST,
            source.gated_len(tiles.image_len()),
        ]
        .map(|size| size.next_multiple_of(WIDEST));
        // Memory is lent outside: what a closure does cannot be compiled for the processor at hand.
        scratch(sizes.iter().sum(), |memory| {
            let (spectrum, memory) = memory.split_at_mut(sizes[0]);
            let (products, memory) = memory.split_at_mut(sizes[1]);
            let (planes, gated) = memory.split_at_mut(sizes[2]);
            let gated = &mut gated[..source.gated_len(tiles.image_len())];
            let memory = Memory { spectrum, products, planes, gated };
            let (places, masks) = (&places, masks.each_ref().map(Vec::as_slice));
            arch.dispatch(Task {
                source,
                filters,
                tiles,
                places,
                masks,
                epilogue,
                images,
                memory,
                out,
            });
        });
    })
}

/// Vectors of a coefficient's inputs. One more than there are: coefficients a power of two apart
/// would contend for the same lines of the cache.
fn spectrum_len(filters: &Filters) -> usize {
    filters.channels * VECTORS + 1
}

/// Vectors of a coefficient's outputs, and again one more.
fn products_len(filters: &Filters) -> usize {
    filters.blocks() * BLOCK * VECTORS + 1
}

struct Memory<'a> {
    /// Transformed inputs of two vectors of tiles, `[16, channels, 2]` vectors.
    spectrum: &'a mut [f32],
    /// Their sums of products, `[16, outputs, 2]` vectors.
    products: &'a mut [f32],
    /// Each channel by even and odd columns, and these by even and odd rows,
    /// `[images, channels, 2, 2, rows + 1, columns]`, between two margins that are read but do not
    /// count.
    planes: &'a mut [f32],
    /// A channel behind its gate.
    gated: &'a mut [f32],
}

struct Task<'a> {
    source: Source<'a>,
    filters: &'a Filters,
    tiles: Tiles,
    places: &'a [Place],
    masks: [&'a [u32]; 2],
    epilogue: FusedEpilogue<'a>,
    images: std::ops::Range<usize>,
    memory: Memory<'a>,
    out: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { source, filters, tiles, places, masks, epilogue, images, memory, out } = self;
        let Memory { spectrum, products, planes, gated } = memory;
        let spectrum = S::as_mut_simd_f32s(spectrum).0;
        let products = S::as_mut_simd_f32s(products).0;
        let masks = [S::as_simd_u32s(masks[0]).0, S::as_simd_u32s(masks[1]).0];
        let (spectrum_len, products_len) = (spectrum_len(filters), products_len(filters));
        let (channels, image_len, planes_len) =
            (filters.channels, tiles.image_len(), 4 * tiles.plane_len());

        for channel in 0..images.len() * channels {
            let at = images.start * source.len + channel * image_len;
            let values = source.channel(simd, at, image_len, gated);
            let planes = &mut planes[WIDEST + channel * planes_len..][..planes_len];
            split(simd, tiles, places, values, planes);
        }
        let out_len = filters.outputs * image_len;
        for first in (0..images.len() * places.len()).step_by(VECTORS) {
            // Each a vector of tiles of one of the images.
            let vectors = first..(first + VECTORS).min(images.len() * places.len());
            for (lane, vector) in vectors.clone().enumerate() {
                let (image, vector) = (vector / places.len(), vector % places.len());
                let masks = [masks[0][vector], masks[1][vector]];
                for channel in 0..channels {
                    let planes = &planes[(image * channels + channel) * planes_len..];
                    let planes = &planes[vector * S::F32_LANES..planes_len + 2 * WIDEST];
                    let spectrum = &mut spectrum[channel * VECTORS + lane..];
                    analyse(simd, tiles, planes, masks, spectrum, spectrum_len);
                }
            }
            for coefficient in 0..COEFFICIENTS {
                let values = &spectrum[coefficient * spectrum_len..][..channels * VECTORS];
                let values = values.as_chunks::<VECTORS>().0;
                let products = &mut products[coefficient * products_len..][..products_len];
                let products = products.as_chunks_mut::<VECTORS>().0;
                for (block, products) in products.chunks_exact_mut(BLOCK).enumerate() {
                    let weights = filters.of(coefficient, block);
                    if S::REGISTER_COUNT >= 32 {
                        multiply::<S, BLOCK>(simd, weights, 0, values, products);
                    } else {
                        let (low, high) = products.split_at_mut(BLOCK / 2);
                        multiply::<S, { BLOCK / 2 }>(simd, weights, 0, values, low);
                        multiply::<S, { BLOCK / 2 }>(simd, weights, BLOCK / 2, values, high);
                    }
                }
            }
            for (lane, vector) in vectors.enumerate() {
                let (image, vector) = (vector / places.len(), vector % places.len());
                let epilogue = epilogue.of_image(images.start + image, out_len);
                let out = &mut out[image * out_len..][..out_len];
                let products = &products[lane..];
                synthesise(simd, &places[vector], products, products_len, epilogue, image_len, out);
            }
        }
    }
}

/// The sums over the channels at one coefficient, for `OUT` outputs of a block from `lane` on.
#[inline(always)]
fn multiply<S: Simd, const OUT: usize>(
    simd: S,
    weights: &[[f32; BLOCK]],
    lane: usize,
    values: &[[S::f32s; VECTORS]],
    products: &mut [[S::f32s; VECTORS]],
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; OUT];
    for (weights, values) in weights.iter().zip(values) {
        // As an array, so that no index is checked.
        let weights: &[f32; OUT] = weights[lane..].first_chunk().expect("a part of a block");
        for out in 0..OUT {
            let weight = simd.splat_f32s(weights[out]);
            for vector in 0..VECTORS {
                sums[out][vector] = multiply_add(simd, weight, values[vector], sums[out][vector]);
            }
        }
    }
    products.copy_from_slice(&sums);
}
