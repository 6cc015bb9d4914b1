//! Products by vectors of single precision, for any processor.
//!
//! A lane of a vector is an output. Some images' sums stay in registers while all links, planes and
//! lanes pass by: an image's value is broadcast to a vector, and multiplied by the weights of a
//! half's outputs or of both. One file, because both kinds of products keep their sums in the same
//! way.

use super::singles::Singles;
use super::{Kernel, Lanes, Multiply, Sums, TILE};
use crate::arch::multiply_add;
use crate::cells::layout::{CELL, HALF, IMAGES, LANES};
use pulp::Simd;

/// Products by vectors `S`, and arithmetic by `L`.
#[derive(Clone, Copy)]
pub struct Vectors<S, L> {
    pub simd: S,
    pub lanes: L,
}

impl<S: Simd, L: Lanes> Kernel for Vectors<S, L> {
    type Format = Singles;
    type Lanes = L;

    #[inline(always)]
    fn format(self) -> Singles {
        Singles
    }

    #[inline(always)]
    fn lanes(self) -> L {
        self.lanes
    }

    #[inline(always)]
    fn multiply(self, work: &Multiply<'_, f32>, at: [usize; 2], images: usize, sums: &mut Sums) {
        match S::F32_LANES {
            16 => multiply::<S, 1, 8>(self.simd, work, at, images, sums),
            8 => multiply::<S, 2, 2>(self.simd, work, at, images, sums),
            4 => multiply::<S, 4, 1>(self.simd, work, at, images, sums),
            _ => multiply::<S, 16, 1>(self.simd, work, at, images, sums),
        }
    }

    #[inline(always)]
    fn accumulate(
        self,
        gradient: &[f32],
        input: &[f32],
        pairs: &[[usize; 2]],
        uses: [[bool; 2]; 2],
        images: usize,
        sums: &mut Sums,
    ) {
        let operands = (gradient, input, pairs, images);
        match S::F32_LANES {
            16 => accumulate::<S, 1, 8>(self.simd, operands, uses, sums),
            8 => accumulate::<S, 2, 2>(self.simd, operands, uses, sums),
            4 => accumulate::<S, 4, 1>(self.simd, operands, uses, sums),
            _ => accumulate::<S, 16, 1>(self.simd, operands, uses, sums),
        }
    }
}

/// The sums of `G` images: `V` vectors for each half of the output's lanes.
type Group<S, const V: usize, const G: usize> = [[[<S as Simd>::f32s; V]; 2]; G];

#[inline(always)]
fn multiply<S: Simd, const V: usize, const G: usize>(
    simd: S,
    work: &Multiply<'_, f32>,
    [row, column]: [usize; 2],
    images: usize,
    sums: &mut Sums,
) {
    let Multiply { window, correlation, weights, halves } = work;
    let planes = correlation.from.planes();
    for group in (0..images).step_by(G) {
        let mut out: Group<S, V, G> = [[[simd.splat_f32s(0.0); V]; 2]; G];
        for rows in &correlation.rows[row] {
            for columns in &correlation.columns[column] {
                let (first, step) = window.at(rows.from, columns.from);
                let distance = rows.distance * correlation.distances[1] + columns.distance;
                for plane in 0..planes {
                    let cell = &window.values[first + plane * step + group * LANES..];
                    let cell: &[f32] = &cell[..G * LANES];
                    let cell: &[[[f32; HALF]; 2]; G] =
                        cell.as_chunks().0.as_chunks().0.try_into().expect("some images");
                    let tiles = &weights[(distance * planes + plane) * 2 * TILE..][..2 * TILE];
                    let (first, second) = tiles.split_at(TILE);
                    for half in 0..2 {
                        let lanes = correlation.lanes[plane][half];
                        let tiles =
                            [first, second].map(|tile| &tile[half * TILE / 2..][..TILE / 2]);
                        let [a, b] = correlation.uses[columns.distance][half];
                        match (a, b && *halves == 2) {
                            (true, true) => {
                                add::<S, V, G, true, true>(simd, cell, half, tiles, lanes, &mut out)
                            }
                            (true, false) => add::<S, V, G, true, false>(
                                simd, cell, half, tiles, lanes, &mut out,
                            ),
                            (false, true) => add::<S, V, G, false, true>(
                                simd, cell, half, tiles, lanes, &mut out,
                            ),
                            (false, false) => {}
                        }
                    }
                }
            }
        }
        let out_rows = sums.rows()[group..].iter_mut();
        for (row, out) in out_rows.zip(out) {
            let (vectors, _) = S::as_mut_simd_f32s(row);
            let [a, b] = out;
            for (to, from) in vectors.iter_mut().zip(a.into_iter().chain(b)) {
                *to = from;
            }
        }
    }
}

/// Adds the products of some lanes of half a cell with their weights to the halves of the outputs
/// that `A` and `B` name.
#[inline(always)]
fn add<S: Simd, const V: usize, const G: usize, const A: bool, const B: bool>(
    simd: S,
    cell: &[[[f32; HALF]; 2]; G],
    half: usize,
    tiles: [&[f32]; 2],
    lanes: usize,
    out: &mut Group<S, V, G>,
) {
    let mut sums = *out;
    let first: &[[S::f32s; V]] = S::as_simd_f32s(tiles[0]).0.as_chunks().0;
    let second: &[[S::f32s; V]] = S::as_simd_f32s(tiles[1]).0.as_chunks().0;
    let tiles: [&[[S::f32s; V]; HALF]; 2] =
        [first.try_into().expect("half a tile"), second.try_into().expect("half a tile")];
    if lanes == HALF {
        // A count that is known lets the compiler unroll the loop.
        for quarter in 0..4 {
            for lane in 0..4 {
                step::<S, V, G, A, B>(simd, cell, half, tiles, quarter * 4 + lane, &mut sums);
            }
        }
    } else {
        for lane in 0..lanes.min(HALF) {
            step::<S, V, G, A, B>(simd, cell, half, tiles, lane, &mut sums);
        }
    }
    *out = sums;
}

/// Adds the products of one lane.
#[inline(always)]
fn step<S: Simd, const V: usize, const G: usize, const A: bool, const B: bool>(
    simd: S,
    cell: &[[[f32; HALF]; 2]; G],
    half: usize,
    [first, second]: [&[[S::f32s; V]; HALF]; 2],
    lane: usize,
    sums: &mut Group<S, V, G>,
) {
    for image in 0..G {
        let value = simd.splat_f32s(cell[image][half][lane]);
        for vector in 0..V {
            let [a, b] = &mut sums[image];
            if A {
                a[vector] = multiply_add(simd, value, first[lane][vector], a[vector]);
            }
            if B {
                b[vector] = multiply_add(simd, value, second[lane][vector], b[vector]);
            }
        }
    }
}

type Operands<'a> = (&'a [f32], &'a [f32], &'a [[usize; 2]], usize);

/// The gradient's lanes are broadcast, `G` at a time, the input's lie along the vectors.
#[inline(always)]
fn accumulate<S: Simd, const V: usize, const G: usize>(
    simd: S,
    (gradient, input, pairs, images): Operands<'_>,
    uses: [[bool; 2]; 2],
    sums: &mut Sums,
) {
    // As many as the first cache holds while all lanes pass by.
    for pairs in pairs.chunks(2) {
        let operands = (gradient, input, pairs, images);
        for lane in (0..LANES).step_by(G) {
            let half = lane / HALF;
            match [uses[0][half], uses[1][half]] {
                [true, true] => products::<S, V, G, true, true>(simd, operands, lane, sums),
                [true, false] => products::<S, V, G, true, false>(simd, operands, lane, sums),
                [false, true] => products::<S, V, G, false, true>(simd, operands, lane, sums),
                [false, false] => {}
            }
        }
    }
}

#[inline(always)]
fn products<S: Simd, const V: usize, const G: usize, const A: bool, const B: bool>(
    simd: S,
    (gradient, input, pairs, images): Operands<'_>,
    lane: usize,
    sums: &mut Sums,
) {
    let mut out: Group<S, V, G> = [[[simd.splat_f32s(0.0); V]; 2]; G];
    for &[of_gradient, of_input] in pairs {
        let gradient = &gradient[of_gradient * CELL..][..CELL];
        let input = &input[of_input * CELL..][..CELL];
        for image in 0..images.min(IMAGES) {
            let values: &[f32; G] =
                gradient[image * LANES + lane..].first_chunk().expect("lanes of an image");
            let (vectors, _) = S::as_simd_f32s(&input[image * LANES..][..LANES]);
            for (out, &value) in out.iter_mut().zip(values) {
                let value = simd.splat_f32s(value);
                for vector in 0..V {
                    if A {
                        out[0][vector] = multiply_add(simd, value, vectors[vector], out[0][vector]);
                    }
                    if B {
                        out[1][vector] =
                            multiply_add(simd, value, vectors[V + vector], out[1][vector]);
                    }
                }
            }
        }
    }
    for (row, out) in sums.rows()[lane..].iter_mut().zip(out) {
        let (vectors, _) = S::as_mut_simd_f32s(row);
        let [a, b] = out;
        for (to, from) in vectors.iter_mut().zip(a.into_iter().chain(b)) {
            *to = simd.add_f32s(*to, from);
        }
    }
}
