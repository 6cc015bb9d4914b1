//! The gradient of a rectifier: what a gate lets through.

use super::norm::TASK;
use crate::arch::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Zeroes a gradient in place where the rectifier's output is zero.
pub fn relu_backward_in_place(gradient: &mut [f32], output: &[f32]) {
    let arch = arch();
    let tasks = gradient.par_chunks_mut(TASK).zip(output.par_chunks(TASK));
    tasks.for_each(|(gradient, output)| arch.dispatch(Gate(gradient, output)));
}

/// [`relu_backward`] for values and their gate.
struct Gate<'a>(&'a mut [f32], &'a [f32]);

impl WithSimd for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        relu_backward(simd, self.0, self.1);
    }
}

/// Zeroes the values where the gate, a rectifier's output, is zero or below. A gate that is not a
/// number is open.
#[inline(always)]
fn relu_backward<S: Simd>(simd: S, values: &mut [f32], gate: &[f32]) {
    let (vectors, tail) = S::as_mut_simd_f32s(values);
    let (gates, gate_tail) = S::as_simd_f32s(gate);
    for (value, &gate) in vectors.iter_mut().zip(gates) {
        *value = select(simd, *value, gate);
    }
    for (value, &gate) in tail.iter_mut().zip(gate_tail) {
        *value = if gate <= 0.0 { 0.0 } else { *value };
    }
}

/// Copies the values that [`relu_backward`] would leave.
#[inline(always)]
pub fn copy_relu_backward<S: Simd>(simd: S, values: &[f32], gate: &[f32], out: &mut [f32]) {
    let (vectors, tail) = S::as_simd_f32s(values);
    let (gates, gate_tail) = S::as_simd_f32s(gate);
    let (outs, out_tail) = S::as_mut_simd_f32s(out);
    for ((out, &value), &gate) in outs.iter_mut().zip(vectors).zip(gates) {
        *out = select(simd, value, gate);
    }
    for ((out, &value), &gate) in out_tail.iter_mut().zip(tail).zip(gate_tail) {
        *out = if gate <= 0.0 { 0.0 } else { value };
    }
}

#[inline(always)]
fn select<S: Simd>(simd: S, value: S::f32s, gate: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_or_equal_f32s(gate, zero), zero, value)
}
