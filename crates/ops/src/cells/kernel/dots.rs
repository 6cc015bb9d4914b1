//! Products by the dot products of AVX-512 for bfloat16 (AMD's processors since Zen 4, Intel's
//! since Cooper Lake).
//!
//! An instruction adds to each lane of a vector the products of two pairs: twice the work of one in
//! single precision. As in [`vectors`](super::vectors) a lane is an output, and some images' sums
//! stay in registers while all links, planes and lanes pass by.

#![allow(unsafe_code, reason = "an instruction; its block says why it is sound")]

use super::pairs::Pairs;
use super::wide::WideLanes;
use super::{Kernel, Multiply, Sums, Work};
use crate::cells::layout::{CELL, HALF, LANES};
use pulp::bytemuck::cast_slice;
use pulp::x86::V4;
use pulp::{NullaryFnOnce, cast, f32x16, u16x32};
use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_dpbf16_ps};
use std::mem::transmute;

pulp::simd_type! {
    /// The instructions of [`V4`], and those for bfloat16.
    struct Instructions {
        sse: "sse",
        sse2: "sse2",
        fxsr: "fxsr",
        sse3: "sse3",
        ssse3: "ssse3",
        sse4_1: "sse4.1",
        sse4_2: "sse4.2",
        popcnt: "popcnt",
        avx: "avx",
        avx2: "avx2",
        bmi1: "bmi1",
        bmi2: "bmi2",
        fma: "fma",
        lzcnt: "lzcnt",
        avx512f: "avx512f",
        avx512bw: "avx512bw",
        avx512cd: "avx512cd",
        avx512dq: "avx512dq",
        avx512vl: "avx512vl",
        avx512bf16: "avx512bf16",
    }
}

/// Images, or lanes of a gradient, whose sums stay in registers: two vectors each.
const GROUP: usize = 8;

/// Pairs of a row: those of lanes, or of images.
const PAIRS: usize = LANES / 2;

/// The sums of a group, for each half of the lanes.
type Group = [[__m512; 2]; GROUP];

/// Proof that this processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Dots {
    simd: V4,
    instructions: Instructions,
}

impl Dots {
    /// `None` where the processor or the system lacks what is needed.
    pub fn try_new() -> Option<Self> {
        Some(Self { simd: V4::try_new()?, instructions: Instructions::try_new()? })
    }

    pub fn simd(self) -> V4 {
        self.simd
    }

    /// Runs some work with these instructions.
    pub fn run(self, work: impl Work) {
        self.instructions.vectorize(ByDots(self, work));
    }

    /// `sums + a · b` for each lane, `a` and `b` a pair each.
    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i, sums: __m512) -> __m512 {
        // SAFETY: `self` proves that the instruction is there. Both types are 64 bytes without
        // invalid values.
        unsafe {
            let [a, b] = [a, b].map(|pairs| transmute::<__m512i, __m512bh>(pairs));
            _mm512_dpbf16_ps(sums, a, b)
        }
    }

    #[inline(always)]
    fn zeros(self) -> Group {
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
    fn add_lanes<const A: bool, const B: bool>(
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
    fn add_images<const A: bool, const B: bool>(
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

#[inline(always)]
fn floats([a, b]: [__m512; 2]) -> [f32; LANES] {
    cast([cast::<_, f32x16>(a), cast(b)])
}

struct ByDots<W>(Dots, W);

impl<W: Work> NullaryFnOnce for ByDots<W> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.1.run(self.0);
    }
}

impl Kernel for Dots {
    type Format = Pairs;
    type Lanes = WideLanes<true>;

    #[inline(always)]
    fn format(self) -> Pairs {
        Pairs(self.simd)
    }

    #[inline(always)]
    fn lanes(self) -> WideLanes<true> {
        WideLanes::by(self)
    }

    #[inline(always)]
    fn multiply(
        self,
        work: &Multiply<'_, u16>,
        [row, column]: [usize; 2],
        images: usize,
        sums: &mut Sums,
    ) {
        let Multiply { window, correlation, weights, halves } = work;
        let planes = correlation.from.planes();
        let (rows, _) = cast_slice::<f32, u16>(weights).as_chunks::<LANES>();
        let (tiles, _) = rows.as_chunks::<PAIRS>();
        for group in (0..images).step_by(GROUP) {
            let mut out = self.zeros();
            for rows in &correlation.rows[row] {
                for columns in &correlation.columns[column] {
                    let (first, step) = window.at(rows.from, columns.from);
                    let distance = rows.distance * correlation.distances[1] + columns.distance;
                    for plane in 0..planes {
                        let cell = &window.values[first + plane * step + group * LANES..];
                        let cell: &[[[u16; 2]; PAIRS]; GROUP] = cell[..GROUP * LANES]
                            .as_chunks()
                            .0
                            .as_chunks()
                            .0
                            .try_into()
                            .expect("some images");
                        let tile = (distance * planes + plane) * 2;
                        let tiles = [&tiles[tile], &tiles[tile + 1]];
                        for half in 0..2 {
                            let (first, count) =
                                (half * HALF / 2, correlation.lanes[plane][half].div_ceil(2));
                            let [a, b] = correlation.uses[columns.distance][half];
                            match [a, b && *halves == 2] {
                                [true, true] => self
                                    .add_lanes::<true, true>(cell, tiles, first, count, &mut out),
                                [true, false] => self
                                    .add_lanes::<true, false>(cell, tiles, first, count, &mut out),
                                [false, true] => self
                                    .add_lanes::<false, true>(cell, tiles, first, count, &mut out),
                                [false, false] => {}
                            }
                        }
                    }
                }
            }
            for (row, out) in sums.rows()[group..].iter_mut().zip(out) {
                *row = floats(out);
            }
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
        let (gradient, input): (&[u16], &[u16]) = (cast_slice(gradient), cast_slice(input));
        // As many as the first cache holds while all lanes pass by.
        for pairs in pairs.chunks(4) {
            let operands = (gradient, input, pairs);
            for lane in (0..LANES).step_by(GROUP) {
                let half = lane / HALF;
                match [uses[0][half], uses[1][half]] {
                    [true, true] => self.add_images::<true, true>(operands, lane, images, sums),
                    [true, false] => self.add_images::<true, false>(operands, lane, images, sums),
                    [false, true] => self.add_images::<false, true>(operands, lane, images, sums),
                    [false, false] => {}
                }
            }
        }
    }
}
