//! Arithmetic on lanes by AVX-512.

#![allow(unsafe_code, reason = "an instruction in assembly; each block says why it is sound")]

use super::Lanes;
use super::amx::Amx;
use super::dots::Dots;
use crate::cells::layout::LANES;
use pulp::x86::V4;
use pulp::{cast, f32x16, u16x16, u16x32};
use std::arch::asm;
use std::arch::x86_64::{__m256i, __m512, __m512i, _CMP_NLE_UQ, _CMP_UNORD_Q};

/// Arithmetic by AVX-512. `BF16` says that the processor has the instructions of AVX-512 for
/// bfloat16.
#[derive(Clone, Copy)]
pub struct WideLanes<const BF16: bool>(V4);

impl WideLanes<false> {
    pub fn new(simd: V4) -> Self {
        Self(simd)
    }
}

impl WideLanes<true> {
    /// With the instructions that every processor with AMX has.
    pub fn of(amx: Amx) -> Self {
        Self(amx.simd())
    }

    /// With those whose presence `dots` proves.
    pub fn by(dots: Dots) -> Self {
        Self(dots.simd())
    }
}

/// The upper halves of 32 values among the halves of all, in order.
const UPPER: [u16; LANES] = {
    let mut upper = [0; LANES];
    let mut lane = 0;
    while lane < LANES {
        upper[lane] = 2 * lane as u16 + 1;
        lane += 1;
    }
    upper
};

/// The halves of a row are registers.
impl<const BF16: bool> Lanes for WideLanes<BF16> {
    type Row = [__m512; 2];

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::Row {
        let [a, b]: [f32x16; 2] = cast(*values);
        [cast(a), cast(b)]
    }

    #[inline(always)]
    fn store(self, row: Self::Row, out: &mut [f32; LANES]) {
        let [a, b] = row;
        *out = cast([cast::<_, f32x16>(a), cast(b)]);
    }

    #[inline(always)]
    fn widen(self, values: &[u16; LANES]) -> Self::Row {
        let [a, b]: [u16x16; 2] = cast(*values);
        [widened(self.0, cast(a)), widened(self.0, cast(b))]
    }

    #[inline(always)]
    fn narrow(self, [a, b]: Self::Row, out: &mut [u16; LANES]) -> Self::Row {
        let values = match BF16 {
            // SAFETY: the type says that the processor has the instruction.
            true => unsafe { rounded_by_instruction(a, b) },
            false => {
                let upper = cast(cast::<_, u16x32>(UPPER));
                let (a, b) = (rounded(self.0, a), rounded(self.0, b));
                self.0.avx512bw._mm512_permutex2var_epi16(a, upper, b)
            }
        };
        *out = cast(cast::<_, u16x32>(values));
        self.widen(out)
    }

    #[inline(always)]
    fn add(self, a: Self::Row, b: Self::Row) -> Self::Row {
        let avx = self.0.avx512f;
        [avx._mm512_add_ps(a[0], b[0]), avx._mm512_add_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn sub(self, a: Self::Row, b: Self::Row) -> Self::Row {
        let avx = self.0.avx512f;
        [avx._mm512_sub_ps(a[0], b[0]), avx._mm512_sub_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn mul(self, a: Self::Row, b: Self::Row) -> Self::Row {
        let avx = self.0.avx512f;
        [avx._mm512_mul_ps(a[0], b[0]), avx._mm512_mul_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Row, b: Self::Row, c: Self::Row) -> Self::Row {
        let avx = self.0.avx512f;
        [avx._mm512_fmadd_ps(a[0], b[0], c[0]), avx._mm512_fmadd_ps(a[1], b[1], c[1])]
    }

    #[inline(always)]
    fn rectify(self, row: Self::Row) -> (Self::Row, u32) {
        let zero = self.0.avx512f._mm512_setzero_ps();
        let [a, b] = row;
        let a = self.0.avx512f._mm512_cmp_ps_mask::<_CMP_NLE_UQ>(a, zero);
        let b = self.0.avx512f._mm512_cmp_ps_mask::<_CMP_NLE_UQ>(b, zero);
        let bits = u32::from(a) | u32::from(b) << 16;
        (self.gate(row, bits), bits)
    }

    #[inline(always)]
    fn gate(self, [a, b]: Self::Row, bits: u32) -> Self::Row {
        [
            self.0.avx512f._mm512_maskz_mov_ps(bits as u16, a),
            self.0.avx512f._mm512_maskz_mov_ps((bits >> 16) as u16, b),
        ]
    }
}

#[inline(always)]
fn widened(simd: V4, values: __m256i) -> __m512 {
    let values = simd.avx512f._mm512_cvtepu16_epi32(values);
    simd.avx512f._mm512_castsi512_ps(simd.avx512f._mm512_slli_epi32::<16>(values))
}

/// Both halves of a row in bfloat16, values below the smallest normal one as zero.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn rounded_by_instruction(a: __m512, b: __m512) -> __m512i {
    let out;
    // SAFETY: the instruction reads and writes nothing but these registers. The caller knows that
    // the processor has it.
    unsafe {
        asm!(
            "vcvtne2ps2bf16 {out}, {b}, {a}",
            out = lateout(zmm_reg) out,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    out
}

/// The nearest values of bfloat16 in the upper halves, ties to even.
#[inline(always)]
fn rounded(simd: V4, values: __m512) -> __m512i {
    let avx = simd.avx512f;
    let bits = avx._mm512_castps_si512(values);
    let odd = avx._mm512_and_si512(avx._mm512_srli_epi32::<16>(bits), avx._mm512_set1_epi32(1));
    let up = avx._mm512_add_epi32(odd, avx._mm512_set1_epi32(0x7FFF));
    let rounded = avx._mm512_add_epi32(bits, up);
    let nan = avx._mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
    let quiet = avx._mm512_set1_epi32(0x0040_0000);
    avx._mm512_mask_or_epi32(rounded, nan, bits, quiet)
}
