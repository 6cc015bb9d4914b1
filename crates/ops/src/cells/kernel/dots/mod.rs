//! Products by the dot products of AVX-512 for bfloat16 (AMD's processors since Zen 4, Intel's
//! since Cooper Lake).
//!
//! An instruction adds to each lane of a vector the products of two pairs: twice the work of one in
//! single precision. As in [`vectors`](super::vectors) a lane is an output, and some images' sums
//! stay in registers while all links, planes and lanes pass by.

#![allow(unsafe_code, reason = "an instruction; its block says why it is sound")]

mod sums;

use super::pairs::Pairs;
use super::wide::WideLanes;
use super::{Kernel, Multiply, Sums, Work};
use crate::cells::layout::{HALF, LANES};
use pulp::NullaryFnOnce;
use pulp::bytemuck::cast_slice;
use pulp::x86::V4;
use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_dpbf16_ps};
use std::mem::transmute;
use sums::{GROUP, PAIRS, floats};

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
