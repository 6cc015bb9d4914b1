//! A step along the signs of a gradient within a box, in one pass over memory.

use super::memory::build;
use super::norm::TASK;
use super::pool::Block;
use crate::arch::arch;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The tensors of a step, as long as one another.
#[derive(Clone, Copy)]
pub struct SignStep<'a> {
    pub x: &'a [f32],
    pub gradient: &'a [f32],
    /// The corners of the box.
    pub low: &'a [f32],
    pub high: &'a [f32],
    /// One step size for all values, or one for each of as many rows.
    pub sizes: &'a [f32],
    pub momentum: Option<Momentum<'a>>,
}

/// The part of a step that goes on from the last one.
#[derive(Clone, Copy)]
pub struct Momentum<'a> {
    pub previous: &'a [f32],
    /// The factors of `x`, of the point ahead and of `previous`.
    pub factors: [f32; 3],
}

/// `min(max(x + size · sign(gradient), low), high)`; with momentum, that point's combination with
/// `x` and `previous`, within the box again.
pub fn sign_step(step: SignStep) -> Block {
    let arch = arch();
    let len = step.x.len();
    let row = (len / step.sizes.len().max(1)).max(1);
    build(len, TASK, |task, mut out| {
        let mut at = task * TASK;
        // The values of each row apart, because they share a step size.
        while !out.is_empty() {
            let count = out.len().min(row - at % row);
            let part;
            (part, out) = out.split_at_mut(count);
            let size = step.sizes[at / row];
            arch.dispatch(Part { out: part, step: step.slice(at..at + count), size });
            at += count;
        }
    })
}

/// `min(max(x, low), high)`.
pub fn clamp_between(x: &[f32], low: &[f32], high: &[f32]) -> Block {
    let arch = arch();
    build(x.len(), TASK, |task, out| {
        let [x, low, high] = [x, low, high].map(|values| &values[task * TASK..][..out.len()]);
        arch.dispatch(Clamp { out, x, low, high });
    })
}

impl SignStep<'_> {
    fn slice(&self, at: Range<usize>) -> Self {
        let momentum = self
            .momentum
            .map(|momentum| Momentum { previous: &momentum.previous[at.clone()], ..momentum });
        Self {
            x: &self.x[at.clone()],
            gradient: &self.gradient[at.clone()],
            low: &self.low[at.clone()],
            high: &self.high[at],
            momentum,
            ..*self
        }
    }
}

/// Some of a step's values, all of the same step size.
struct Part<'a> {
    out: &'a mut [f32],
    step: SignStep<'a>,
    size: f32,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { out, step, size } = self;
        let SignStep { x, gradient, low, high, momentum, .. } = step;
        let values = out.iter_mut().zip(x).zip(gradient).zip(low.iter().zip(high));
        match momentum {
            None => {
                for (((out, &x), &gradient), (&low, &high)) in values {
                    *out = ahead(x, gradient, size, low, high);
                }
            }
            Some(Momentum { previous, factors: [of_x, of_ahead, of_previous] }) => {
                for ((((out, &x), &gradient), (&low, &high)), &previous) in values.zip(previous) {
                    let ahead = ahead(x, gradient, size, low, high);
                    let moved = x * of_x + ahead * of_ahead - previous * of_previous;
                    *out = within(moved, low, high);
                }
            }
        }
    }
}

/// A part of [`clamp_between`].
struct Clamp<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    low: &'a [f32],
    high: &'a [f32],
}

impl WithSimd for Clamp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { out, x, low, high } = self;
        for ((out, &x), (&low, &high)) in out.iter_mut().zip(x).zip(low.iter().zip(high)) {
            *out = within(x, low, high);
        }
    }
}

#[inline(always)]
fn ahead(x: f32, gradient: f32, size: f32, low: f32, high: f32) -> f32 {
    // As Burn has it on Flex: the sign of NaN is zero.
    let still = gradient.is_nan() || gradient == 0.0;
    let sign = if still { 0.0 } else { 1.0f32.copysign(gradient) };
    within(x + sign * size, low, high)
}

/// The nearest value of the interval. NaN stays, and a bound that is NaN does not count.
#[inline(always)]
fn within(value: f32, low: f32, high: f32) -> f32 {
    let above = if value < low { low } else { value };
    if high < above { high } else { above }
}
