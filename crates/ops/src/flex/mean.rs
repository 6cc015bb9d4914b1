//! The mean of each plane of an image, and its gradient.

use super::memory::build;
use super::norm::TASK;
use super::pool::Block;
use crate::arch::arch;
use pulp::{Simd, WithSimd};

/// The mean over the rows at each column of each plane, `[planes, columns]`.
pub fn column_means(x: &[f32], [rows, columns]: [usize; 2]) -> Block {
    let (arch, len) = (arch(), rows * columns);
    let planes = (TASK / len).max(1);
    build(x.len() / rows, planes * columns, |task, out| {
        arch.dispatch(Means { x: &x[task * planes * len..], rows, columns, out });
    })
}

/// The gradient of a plane's mean at each of its values.
pub fn mean_gradient(gradient: &[f32], [rows, columns]: [usize; 2]) -> Block {
    let planes = (TASK / (rows * columns)).max(1);
    let [of_row, of_column] = [rows, columns].map(|count| (1.0 / count as f64) as f32);
    build(gradient.len() * rows * columns, planes * rows * columns, |task, out| {
        let gradient = &gradient[task * planes..];
        for (out, &gradient) in out.chunks_exact_mut(rows * columns).zip(gradient) {
            // Step by step as Burn has it; its sums of one value make −0 to 0.
            out.fill((gradient + 0.0) * of_column * of_row);
        }
    })
}

/// The means of some planes.
struct Means<'a> {
    x: &'a [f32],
    rows: usize,
    columns: usize,
    out: &'a mut [f32],
}

impl WithSimd for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { x, rows, columns, out } = self;
        let planes = x.chunks_exact(rows * columns);
        for (out, plane) in out.chunks_exact_mut(columns).zip(planes) {
            out.fill(0.0);
            for row in plane.chunks_exact(columns) {
                out.iter_mut().zip(row).for_each(|(sum, &value)| *sum += value);
            }
            out.iter_mut().for_each(|sum| *sum /= rows as f32);
        }
    }
}
