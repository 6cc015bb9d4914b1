//! Vectors to and from memory, and lanes that change places. Their patterns are known at compile
//! time, so each becomes an instruction or two.

#![allow(clippy::modulo_one, reason = "a vector of one lane has a pattern too")]

use pulp::Simd;
use pulp::bytemuck::cast_slice_mut;

/// The values, at most a vector of them, and zeros after them.
#[inline(always)]
pub fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0 {
        [whole] => *whole,
        _ => simd.partial_load_f32s(values),
    }
}

/// The first of the lanes, as many as `out` takes.
#[inline(always)]
pub fn store<S: Simd>(simd: S, out: &mut [f32], value: S::f32s) {
    match S::as_mut_simd_f32s(out).0 {
        [whole] => *whole = value,
        _ => simd.partial_store_f32s(out, value),
    }
}

/// Applies, by the number of lanes in two vectors, the pattern that tells where each lane comes
/// from.
macro_rules! permute {
    ($pair:ident, $lanes:ident, $from:expr, [$($count:literal),+]) => {{
        let values: &mut [f32] = cast_slice_mut(&mut $pair);
        match values.len() {
            $($count => {
                const $lanes: usize = $count / 2;
                let values: &mut [f32; $count] = values.try_into().expect("as long as it is");
                *values = std::array::from_fn(|i| values[$from(i)]);
            })+
            _ => unreachable!("vectors of one, two, four, eight or sixteen lanes"),
        }
        $pair
    }};
}

/// `a0 b0 a1 b1 ..` of two vectors.
#[inline(always)]
pub fn interleave<S: Simd>(_: S, mut pair: [S::f32s; 2]) -> [S::f32s; 2] {
    permute!(pair, LANES, |i: usize| i % 2 * LANES + i / 2, [2, 4, 8, 16, 32])
}

/// The inverse of [`interleave`].
#[inline(always)]
pub fn deinterleave<S: Simd>(simd: S, pair: [S::f32s; 2]) -> [S::f32s; 2] {
    let mut pair = opaque(simd, pair);
    permute!(pair, LANES, |i: usize| i % LANES * 2 + i / LANES, [2, 4, 8, 16, 32])
}

/// Hides the origin of the vectors from the optimizer. Otherwise LLVM folds a permutation into
/// reloads from memory, which stall on the preceding stores.
#[inline(always)]
fn opaque<S: Simd>(simd: S, [a, b]: [S::f32s; 2]) -> [S::f32s; 2] {
    [simd.max_f32s(a, a), simd.max_f32s(b, b)]
}

/// Swaps the two middle ones of four half vectors if `grouped`.
#[inline(always)]
pub fn swap_middle<S: Simd>(simd: S, grouped: bool, mut pair: [S::f32s; 2]) -> [S::f32s; 2] {
    if !grouped {
        return pair;
    }
    pair = opaque(simd, pair);
    permute!(
        pair,
        LANES,
        |i: usize| {
            let half = LANES / 2;
            (i / half % 2 * 2 + i / LANES) * half + i % half
        },
        [4, 8, 16, 32]
    )
}

/// The rows of `source` that begin at `starts` turned into columns: `out` gets `rows` values, a
/// power of two up to sixteen, for each of `len` positions, zeros for rows that are missing. It
/// needs room for a vector of positions more, which are zeroed.
#[inline(always)]
pub fn transpose<S: Simd>(
    simd: S,
    rows: usize,
    source: &[f32],
    starts: &[usize],
    len: usize,
    out: &mut [f32],
) {
    match rows {
        16 => transpose_rows::<S, 16>(simd, source, starts, len, out),
        8 => transpose_rows::<S, 8>(simd, source, starts, len, out),
        4 => transpose_rows::<S, 4>(simd, source, starts, len, out),
        2 => transpose_rows::<S, 2>(simd, source, starts, len, out),
        1 => transpose_rows::<S, 1>(simd, source, starts, len, out),
        _ => unreachable!("a power of two up to sixteen"),
    }
}

#[inline(always)]
fn transpose_rows<S: Simd, const ROWS: usize>(
    simd: S,
    source: &[f32],
    starts: &[usize],
    len: usize,
    out: &mut [f32],
) {
    for position in (0..len).step_by(S::F32_LANES) {
        let count = S::F32_LANES.min(len - position);
        let mut rows = [simd.splat_f32s(0.0); ROWS];
        for (row, &start) in rows.iter_mut().zip(starts) {
            *row = load(simd, &source[start + position..][..count]);
        }
        // Each round zips the first half of the list with the second; after log2(ROWS) all of it is
        // zipped.
        let mut width = 1;
        while width < ROWS {
            let mut zipped = rows;
            for i in 0..ROWS / 2 {
                // Seen as one, the rounds are a permutation of single values, for which there is no
                // instruction.
                let [first, second] = interleave(simd, opaque(simd, [rows[i], rows[i + ROWS / 2]]));
                zipped[2 * i] = first;
                zipped[2 * i + 1] = second;
            }
            rows = zipped;
            width *= 2;
        }
        let out = &mut out[position * ROWS..][..S::F32_LANES * ROWS];
        S::as_mut_simd_f32s(out).0.copy_from_slice(&rows);
    }
}
