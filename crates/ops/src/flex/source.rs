//! The images that a convolution reads.

use super::relu::copy_relu_backward;
use pulp::Simd;

/// The images of a source, and which of their values count.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub values: &'a [f32],
    /// Values are zeroed where this is zero or below: the output of a rectifier whose gradient
    /// `values` is.
    pub gate: Option<&'a [f32]>,
    /// Values of one image.
    pub len: usize,
}

impl<'a> Source<'a> {
    /// `len` values from `at` on, behind their gate; `gated` has room for them.
    #[inline(always)]
    pub fn channel<'b, S: Simd>(
        &self,
        simd: S,
        at: usize,
        len: usize,
        gated: &'b mut [f32],
    ) -> &'b [f32]
    where
        'a: 'b,
    {
        let values = &self.values[at..][..len];
        let Some(gate) = self.gate else { return values };
        copy_relu_backward(simd, values, &gate[at..][..len], gated);
        gated
    }

    /// Floats that [`Self::channel`] needs for `len` values.
    pub fn gated_len(&self, len: usize) -> usize {
        self.gate.map_or(0, |_| len)
    }
}
