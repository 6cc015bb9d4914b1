//! A vector of tiles into its coefficients and back.

use super::tiles::{Place, Tiles};
use super::{COEFFICIENTS, VECTORS};
use crate::arch::WIDEST;
use crate::flex::epilogue::FusedEpilogue;
use crate::flex::lanes::{load, store};
use pulp::Simd;

/// Sorts a channel into its planes.
#[inline(always)]
pub fn split<S: Simd>(simd: S, tiles: Tiles, places: &[Place], image: &[f32], planes: &mut [f32]) {
    let (columns, plane) = (tiles.columns, tiles.plane_len());
    // The zeros above and below the image.
    for planes in planes.chunks_exact_mut(2 * plane) {
        planes[..columns].fill(0.0);
        planes[2 * plane - columns..].fill(0.0);
    }
    for (vector, place) in places.iter().enumerate() {
        let [top, bottom] = place.read(simd, image);
        let mut write = |at: usize, values: S::f32s| {
            store(simd, &mut planes[at + vector * S::F32_LANES..][..S::F32_LANES], values);
        };
        // A tile's inputs begin a row above it, so its top row is the second of them.
        write(plane, top[0]);
        write(3 * plane, top[1]);
        write(columns, bottom[0]);
        write(2 * plane + columns, bottom[1]);
    }
}

/// `Bᵀ d B` of the vector of tiles where `planes` begin, less a margin.
#[inline(always)]
pub fn analyse<S: Simd>(
    simd: S,
    tiles: Tiles,
    planes: &[f32],
    masks: [S::u32s; 2],
    spectrum: &mut [S::f32s],
    spectrum_len: usize,
) {
    let plane = tiles.plane_len();
    let load = |at: usize| load(simd, &planes[at..][..S::F32_LANES]);
    let masked = |mask, values| {
        simd.transmute_f32s_u32s(simd.and_u32s(mask, simd.transmute_u32s_f32s(values)))
    };
    let at = |row: usize| WIDEST + row % 2 * plane + row / 2 * tiles.columns;
    let even = |row| load(at(row));
    let odd = |row| load(at(row) + 2 * plane);
    let before = |row| masked(masks[0], load(at(row) + 2 * plane - 1));
    let after = |row| masked(masks[1], load(at(row) + 1));
    let [a, b, c, d] = [
        input_side(simd, [before(0), before(1), before(2), before(3)]),
        input_side(simd, [even(0), even(1), even(2), even(3)]),
        input_side(simd, [odd(0), odd(1), odd(2), odd(3)]),
        input_side(simd, [after(0), after(1), after(2), after(3)]),
    ];
    let spectrum = &mut spectrum[..(COEFFICIENTS - 1) * spectrum_len + 1];
    for row in 0..4 {
        let coefficients = input_side(simd, [a[row], b[row], c[row], d[row]]);
        for column in 0..4 {
            spectrum[(4 * row + column) * spectrum_len] = coefficients[column];
        }
    }
}

/// `Bᵀ` times a column.
#[inline(always)]
fn input_side<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// `Aᵀ m A` of a vector of tiles for all outputs, at its place in the image.
#[inline(always)]
pub fn synthesise<S: Simd>(
    simd: S,
    place: &Place,
    products: &[S::f32s],
    products_len: usize,
    epilogue: FusedEpilogue,
    image_len: usize,
    out: &mut [f32],
) {
    for (output, image) in out.chunks_exact_mut(image_len).enumerate() {
        let products = &products[output * VECTORS..][..(COEFFICIENTS - 1) * products_len + 1];
        let mut sides = [[simd.splat_f32s(0.0); 2]; 4];
        for column in 0..4 {
            let m = |row: usize| products[(4 * row + column) * products_len];
            sides[column] = output_side(simd, [m(0), m(1), m(2), m(3)]);
        }
        let [a, b, c, d] = sides;
        let tiles = [
            output_side(simd, [a[0], b[0], c[0], d[0]]),
            output_side(simd, [a[1], b[1], c[1], d[1]]),
        ];
        let values = place.arrange(simd, tiles);
        let shift = epilogue.shift(simd, output);
        let starts = place.starts.into_iter().flatten();
        for (start, value) in starts.zip(values.into_iter().flatten()) {
            let places = output * image_len + start..output * image_len + start + S::F32_LANES;
            let value = epilogue.finish(simd, simd.add_f32s(value, shift), places);
            store(simd, &mut image[start..][..S::F32_LANES], value);
        }
    }
}

/// `Aᵀ` times a column.
#[inline(always)]
fn output_side<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}
