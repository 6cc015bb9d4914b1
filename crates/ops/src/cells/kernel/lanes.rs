//! Arithmetic on the lanes of an image in a cell, as steps between values and memory need it.

use crate::cells::bf16::{narrow, widen};
use crate::cells::layout::LANES;

/// Arithmetic on the lanes of an image in a cell: 32 values of single precision.
pub trait Lanes: Copy {
    type Row: Copy;

    fn load(self, values: &[f32; LANES]) -> Self::Row;
    fn store(self, row: Self::Row, out: &mut [f32; LANES]);
    /// From bfloat16.
    fn widen(self, values: &[u16; LANES]) -> Self::Row;
    /// To bfloat16, rounded; gives what was written.
    fn narrow(self, row: Self::Row, out: &mut [u16; LANES]) -> Self::Row;
    fn add(self, a: Self::Row, b: Self::Row) -> Self::Row;
    fn sub(self, a: Self::Row, b: Self::Row) -> Self::Row;
    fn mul(self, a: Self::Row, b: Self::Row) -> Self::Row;
    /// `a · b + c`
    fn mul_add(self, a: Self::Row, b: Self::Row, c: Self::Row) -> Self::Row;
    /// The values that are not zero or below, zeros for the others, and the bits of the former. A
    /// NaN stays.
    fn rectify(self, row: Self::Row) -> (Self::Row, u32);
    /// The values with a bit, zeros for the others.
    fn gate(self, row: Self::Row, bits: u32) -> Self::Row;

    #[inline(always)]
    fn zero(self) -> Self::Row {
        self.load(&[0.0; LANES])
    }
}

/// Arithmetic that the compiler turns into instructions of the processor at hand.
#[derive(Clone, Copy)]
pub struct AnyLanes;

#[inline(always)]
fn by_lane(mut of: impl FnMut(usize) -> f32) -> [f32; LANES] {
    let mut row = [0.0; LANES];
    for (lane, value) in row.iter_mut().enumerate() {
        *value = of(lane);
    }
    row
}

impl Lanes for AnyLanes {
    type Row = [f32; LANES];

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::Row {
        *values
    }

    #[inline(always)]
    fn store(self, row: Self::Row, out: &mut [f32; LANES]) {
        *out = row;
    }

    #[inline(always)]
    fn widen(self, values: &[u16; LANES]) -> Self::Row {
        by_lane(|lane| widen(values[lane]))
    }

    #[inline(always)]
    fn narrow(self, row: Self::Row, out: &mut [u16; LANES]) -> Self::Row {
        for lane in 0..LANES {
            out[lane] = narrow(row[lane]);
        }
        self.widen(out)
    }

    #[inline(always)]
    fn add(self, a: Self::Row, b: Self::Row) -> Self::Row {
        by_lane(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn sub(self, a: Self::Row, b: Self::Row) -> Self::Row {
        by_lane(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn mul(self, a: Self::Row, b: Self::Row) -> Self::Row {
        by_lane(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Row, b: Self::Row, c: Self::Row) -> Self::Row {
        by_lane(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    fn rectify(self, row: Self::Row) -> (Self::Row, u32) {
        let mut bits = 0;
        for (lane, value) in row.iter().enumerate() {
            bits |= if *value <= 0.0 { 0 } else { 1 << lane };
        }
        (self.gate(row, bits), bits)
    }

    #[inline(always)]
    fn gate(self, row: Self::Row, bits: u32) -> Self::Row {
        by_lane(|lane| if bits & 1 << lane == 0 { 0.0 } else { row[lane] })
    }
}
