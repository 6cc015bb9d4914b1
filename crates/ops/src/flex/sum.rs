//! The sum of two tensors, in the memory of one.

use super::norm::TASK;
use crate::arch::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Adds `from` to `into`.
pub fn add_in_place(into: &mut [f32], from: &[f32]) {
    let arch = arch();
    let tasks = into.par_chunks_mut(TASK).zip(from.par_chunks(TASK));
    tasks.for_each(|(into, from)| arch.dispatch(Add(into, from)));
}

/// [`add`] for the values and what is added.
struct Add<'a>(&'a mut [f32], &'a [f32]);

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        add(simd, self.0, self.1);
    }
}

/// Adds `from` to `into`, within a kernel.
#[inline(always)]
pub fn add<S: Simd>(_: S, into: &mut [f32], from: &[f32]) {
    for (into, &from) in into.iter_mut().zip(from) {
        *into += from;
    }
}
