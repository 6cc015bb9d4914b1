//! The epilogue of a convolution: the steps between its result and memory.

use super::lanes::load;
use pulp::Simd;

/// `max(0, result + shift + residual)`, each part where wanted.
#[derive(Clone, Copy, Default)]
pub struct FusedEpilogue<'a> {
    /// One value an output channel.
    pub shift: Option<&'a [f32]>,
    /// As large as the output.
    pub residual: Option<&'a [f32]>,
    pub relu: bool,
}

impl FusedEpilogue<'_> {
    /// The epilogue of one image, whose output has `len` values.
    #[inline(always)]
    pub fn of_image(self, image: usize, len: usize) -> Self {
        let residual = self.residual.map(|all| &all[image * len..][..len]);
        Self { residual, ..self }
    }

    /// The shift of one output channel, zero if there is none.
    #[inline(always)]
    pub fn shift<S: Simd>(&self, simd: S, output: usize) -> S::f32s {
        simd.splat_f32s(self.shift.map_or(0.0, |shift| shift[output]))
    }

    /// Completes a result that has its shift, at `places` of the image's output.
    #[inline(always)]
    pub fn finish<S: Simd>(
        &self,
        simd: S,
        result: S::f32s,
        places: std::ops::Range<usize>,
    ) -> S::f32s {
        let mut value = result;
        if let Some(residual) = self.residual {
            value = simd.add_f32s(value, load(simd, &residual[places]));
        }
        if self.relu {
            let zero = simd.splat_f32s(0.0);
            // Not a maximum, which would hide a NaN.
            value = simd.select_f32s(simd.less_than_f32s(value, zero), zero, value);
        }
        value
    }
}
