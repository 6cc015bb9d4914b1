//! Sums of products that stay in registers.

use super::Dots;
use crate::cells::kernel::Sums;
use crate::cells::layout::{CELL, HALF, LANES};
use pulp::{cast, f32x16, u16x32};
use std::arch::x86_64::{__m512, __m512i};

/// Images, or lanes of a gradient, whose sums stay in registers: two vectors each.
pub const GROUP: usize = 8;

/// Pairs of a row: those of lanes, or of images.
pub const PAIRS: usize = LANES / 2;

/// The sums of a group, for each half of the lanes.
pub type Group = [[__m512; 2]; GROUP];

impl Dots {
    #[inline(always)]
    pub(super) fn zeros(self) -> Group {
        [[self.simd.avx512f._mm512_setzero_ps(); 2]; GROUP]
    }

    /// A pair for all lanes.
    #[inline(always)]
    fn splat(self, pair: [u16; 2]) -> __m512i {
        self.simd.avx512f._mm512_set1_epi32(cast(pair))
    }

    /// Adds the products of some pairs of lanes of a group's images with their weights to the
    /// halves of the outputs that `A` and `B` name.
    #[inline(always)]
    pub(super) fn add_lanes<const A: bool, const B: bool>(
        self,
        cell: &[[[u16; 2]; PAIRS]; GROUP],
        tiles: [&[[u16; LANES]; PAIRS]; 2],
        first: usize,
        count: usize,
        out: &mut Group,
    ) {
        let mut sums = *out;
        if count == HALF / 2 {
            // A count that is known lets the compiler unroll the loop.
            for pair in first..first + HALF / 2 {
                self.add_pair::<A, B>(cell, tiles, pair, &mut sums);
            }
        } else {
            for pair in first..first + count.min(HALF / 2) {
                self.add_pair::<A, B>(cell, tiles, pair, &mut sums);
            }
        }
        *out = sums;
    }

    /// Adds the products of one pair of lanes.
    #[inline(always)]
    fn add_pair<const A: bool, const B: bool>(
        self,
        cell: &[[[u16; 2]; PAIRS]; GROUP],
        tiles: [&[[u16; LANES]; PAIRS]; 2],
        pair: usize,
        sums: &mut Group,
    ) {
        let [a, b] = [row(&tiles[0][pair]), row(&tiles[1][pair])];
        for image in 0..GROUP {
            let value = self.splat(cell[image][pair]);
            let [of_a, of_b] = &mut sums[image];
            if A {
                *of_a = self.add(value, a, *of_a);
            }
            if B {
                *of_b = self.add(value, b, *of_b);
            }
        }
    }

    /// Adds to some rows of sums, those of a group of the gradient's lanes.
    #[inline(always)]
    pub(super) fn add_images<const A: bool, const B: bool>(
        self,
        (gradient, input, pairs): (&[u16], &[u16], &[[usize; 2]]),
        lane: usize,
        images: usize,
        sums: &mut Sums,
    ) {
        let mut out = self.zeros();
        for &[of_gradient, of_input] in pairs {
            let gradient = &gradient[of_gradient * CELL + lane * LANES..][..GROUP * LANES];
            let gradient: &[[[u16; 2]; PAIRS]; GROUP] =
                gradient.as_chunks().0.as_chunks().0.try_into().expect("lanes of a gradient");
            let (rows, _) = input[of_input * CELL..][..CELL].as_chunks::<LANES>();
            let rows: &[[u16; LANES]; 2 * PAIRS] = rows.try_into().expect("a cell");
            for pair in 0..images.div_ceil(2).min(PAIRS) {
                let [a, b] = [row(&rows[pair]), row(&rows[PAIRS + pair])];
                for (out, values) in out.iter_mut().zip(gradient) {
                    let value = self.splat(values[pair]);
                    if A {
                        out[0] = self.add(value, a, out[0]);
                    }
                    if B {
                        out[1] = self.add(value, b, out[1]);
                    }
                }
            }
        }
        for (row, out) in sums.rows()[lane..].iter_mut().zip(out) {
            let [a, b]: [f32x16; 2] = cast(*row);
            let avx = self.simd.avx512f;
            let sums = [avx._mm512_add_ps(cast(a), out[0]), avx._mm512_add_ps(cast(b), out[1])];
            *row = floats(sums);
        }
    }
}

/// A row of pairs as a vector.
#[inline(always)]
fn row(pairs: &[u16; LANES]) -> __m512i {
    cast(cast::<_, u16x32>(*pairs))
}

/// The lanes of two vectors.
#[inline(always)]
pub fn floats([a, b]: [__m512; 2]) -> [f32; LANES] {
    cast([cast::<_, f32x16>(a), cast(b)])
}
