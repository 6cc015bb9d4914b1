//! The least and the largest value of each row.

use super::norm::TASK;
use crate::arch::{arch, multiply_add};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Two vectors of each side by side, so that one need not wait for the one before.
const CHAINS: usize = 2;

/// The least and the largest value of each row of `len` values; NaN for a row that is not finite.
pub fn row_extremes(values: &[f32], len: usize) -> (Vec<f32>, Vec<f32>) {
    let arch = arch();
    let rows = values.par_chunks_exact(len).with_min_len((TASK / len).max(1));
    rows.map(|row| arch.dispatch(Extremes(row))).map(|[least, largest]| (least, largest)).unzip()
}

/// The extremes of a row.
struct Extremes<'a>(&'a [f32]);

impl WithSimd for Extremes<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; 2] {
        let (vectors, tail) = S::as_simd_f32s(self.0);
        let mut least = [simd.splat_f32s(f32::INFINITY); CHAINS];
        let mut largest = [simd.splat_f32s(f32::NEG_INFINITY); CHAINS];
        // Zero as long as all values are finite.
        let mut zeros = [simd.splat_f32s(0.0); CHAINS];
        for vectors in vectors.chunks(CHAINS) {
            for (chain, &value) in vectors.iter().enumerate() {
                least[chain] = simd.min_f32s(least[chain], value);
                largest[chain] = simd.max_f32s(largest[chain], value);
                zeros[chain] = multiply_add(simd, value, simd.splat_f32s(0.0), zeros[chain]);
            }
        }
        let [a, b] = zeros;
        let mut zero = simd.reduce_sum_f32s(simd.add_f32s(a, b));
        let mut extremes = [
            simd.reduce_min_f32s(simd.min_f32s(least[0], least[1])),
            simd.reduce_max_f32s(simd.max_f32s(largest[0], largest[1])),
        ];
        for &value in tail {
            extremes = [extremes[0].min(value), extremes[1].max(value)];
            zero += value * 0.0;
        }
        if zero.is_nan() { [f32::NAN; 2] } else { extremes }
    }
}
