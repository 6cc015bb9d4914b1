//! Operands in pairs, for instructions that add up two products of bfloat16 at once: those of AMX
//! and of AVX-512.

use super::{Format, TILE, Window};
use crate::cells::layout::{CELL, LANES, Layout};
use pulp::bytemuck::cast_slice_mut;
use pulp::x86::V4;
use pulp::{cast, u16x32, u32x16};
use std::arch::x86_64::__m512i;
use std::ops::Range;

/// Pairs of bfloat16. A tile of weights has those of two lanes that follow one another side by
/// side: 16 rows of 16 pairs. Cells lie so in memory already, and are read in place.
#[derive(Clone, Copy)]
pub struct Pairs(pub V4);

impl Format for Pairs {
    type Operand = u16;

    const WEIGHTS: usize = TILE / 2;
    const WINDOW: usize = 0;
    const PACKED: usize = CELL / 2;

    #[inline(always)]
    fn put_weight(tile: &mut [f32], k: usize, n: usize, value: u16) {
        cast_slice_mut::<f32, u16>(tile)[k / 2 * LANES + n * 2 + k % 2] = value;
    }

    #[inline(always)]
    fn window<'a>(
        self,
        block: &'a [u16],
        layout: Layout,
        _: Range<usize>,
        _: &'a mut [f32],
    ) -> Window<'a, u16> {
        let (rows, columns) = (layout.rows(), layout.columns());
        Window { values: block, first_row: 0, rows, columns }
    }

    /// Images along the rows: `[lanes, images]`.
    #[inline(always)]
    fn pack_gradient(self, cell: &[u16], packed: &mut [f32]) {
        let (halves, _) = cast_slice_mut::<f32, u16>(packed).as_chunks_mut::<{ CELL / 2 }>();
        for (pairs, out) in pairs(self.0, cell).into_iter().zip(halves) {
            let (rows, _) = out.as_chunks_mut::<LANES>();
            for (row, out) in transposed(self.0, pairs).into_iter().zip(rows) {
                *out = cast(cast::<_, u16x32>(row));
            }
        }
    }

    /// Pairs of images side by side: `[halves of the lanes, pairs of images, lanes, 2]`.
    #[inline(always)]
    fn pack_input(self, cell: &[u16], packed: &mut [f32]) {
        let (rows, _) = cast_slice_mut::<f32, u16>(packed).as_chunks_mut::<LANES>();
        for (pair, out) in pairs(self.0, cell).into_iter().flatten().zip(rows) {
            *out = cast(cast::<_, u16x32>(pair));
        }
    }
}

/// The lanes of two images each, side by side: for both halves of the lanes 16 pairs.
#[inline(always)]
fn pairs(simd: V4, cell: &[u16]) -> [[__m512i; 16]; 2] {
    /// The second image's lanes are numbered from 32 on.
    const ORDER: [[u16; LANES]; 2] = order_u16(16, LANES as u16);
    let (rows, _) = cell.as_chunks::<LANES>();
    let mut out = [[simd.avx512f._mm512_setzero_si512(); 16]; 2];
    for pair in 0..16 {
        let a = cast(cast::<_, u16x32>(rows[2 * pair]));
        let b = cast(cast::<_, u16x32>(rows[2 * pair + 1]));
        for half in 0..2 {
            let order = cast(cast::<_, u16x32>(ORDER[half]));
            out[half][pair] = simd.avx512bw._mm512_permutex2var_epi16(a, order, b);
        }
    }
    out
}

/// Where the elements of the first and the second half of two zipped vectors come from: those of
/// the second vector are numbered from `second` on.
const fn order_u16(half: u16, second: u16) -> [[u16; LANES]; 2] {
    let mut order = [[0; LANES]; 2];
    let mut i = 0;
    while i < 2 * LANES as u16 {
        let (part, at) = (i as usize / LANES, i as usize % LANES);
        order[part][at] = part as u16 * half + at as u16 / 2 + at as u16 % 2 * second;
        i += 1;
    }
    order
}

/// 16 rows of 16 double words with rows and columns exchanged: zipping the first half of the rows
/// with the second does it in four rounds.
#[inline(always)]
fn transposed(simd: V4, mut rows: [__m512i; 16]) -> [__m512i; 16] {
    const ORDER: [[u32; 16]; 2] = [
        [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23],
        [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31],
    ];
    for _ in 0..4 {
        let mut zipped = rows;
        for i in 0..8 {
            for half in 0..2 {
                let order = cast(cast::<_, u32x16>(ORDER[half]));
                zipped[2 * i + half] =
                    simd.avx512f._mm512_permutex2var_epi32(rows[i], order, rows[i + 8]);
            }
        }
        rows = zipped;
    }
    rows
}
