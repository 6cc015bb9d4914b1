//! Moments of rows.

use super::ALONE;
use crate::arch::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Neighbouring values whose moments are summed in single precision.
pub const PART: usize = 4096;

/// Mean and unbiased standard deviation, the parts' moments joined as T. F. Chan, G. H. Golub and
/// R. J. LeVeque do, "Algorithms for Computing the Sample Variance", The American Statistician 37
/// (1983), eq. 2.1. The deviation of equal values is zero.
pub fn row_moments(values: &[f32]) -> [f32; 2] {
    // A sum of equal values is rounded, so that their mean would be another value. Values that are
    // not finite have the difference NaN and are not equal.
    if let Some(&first) = values.first()
        && values.iter().all(|value| value - first == 0.0)
    {
        return [first, 0.0];
    }
    let part_moments = |part| arch().dispatch(PartMoments(part));
    let parts: Vec<_> = if values.len() <= ALONE {
        values.chunks(PART).map(part_moments).collect()
    } else {
        values.par_chunks(PART).with_min_len(4).map(part_moments).collect()
    };
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for (part, (m, s)) in values.chunks(PART).zip(parts) {
        let n = part.len() as f64;
        let delta = m - mean;
        squares += s + delta * delta * count * n / (count + n);
        mean += delta * n / (count + n);
        count += n;
    }
    [mean as f32, (squares / (count - 1.0).max(1.0)).sqrt() as f32]
}

/// Mean and sum of squared deviations.
struct PartMoments<'a>(&'a [f32]);

impl WithSimd for PartMoments<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, f64) {
        let values = self.0;
        let mean = sum(values) / values.len() as f32;
        let mut lanes = [0.0f32; 32];
        let mut rest = [0.0f32; 32];
        let chunks = values.chunks_exact(32);
        let last = chunks.remainder();
        rest[..last.len()].copy_from_slice(last);
        rest[last.len()..].fill(mean);
        for chunk in chunks.chain([&rest[..]]) {
            for i in 0..32 {
                lanes[i] += (chunk[i] - mean) * (chunk[i] - mean);
            }
        }
        (f64::from(mean), f64::from(lanes.iter().sum::<f32>()))
    }
}

#[inline(always)]
pub fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 32];
    let chunks = values.chunks_exact(32);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for i in 0..32 {
            lanes[i] += chunk[i];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
