//! Noise with kernels of its own: drawn, scaled and added in one pass, forward and backward.
//!
//! The kernels serve all noise of one formula. With `r` a row, `i` an element of it, `s[r]` a
//! standard deviation, `e` and `e_f` standard normal draws, and `p`, `q` and `A` by [`NoiseForm`],
//!
//! ```text
//! out[r, i] = x[r, i] + p(s[r]) A[i] e[r, i] + q(s[r]) Σₖ F[i, k] e_f[r, k]
//! ```
//!
//! so that a backend has few kernels to write, and `autodiff` the whole backward pass.

#[cfg(any(feature = "flex", feature = "cube"))]
mod autodiff;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(any(feature = "flex", feature = "cube"))]
mod launch;
#[cfg(not(any(feature = "flex", feature = "cube")))]
#[path = "no_launch.rs"]
mod launch;
#[cfg(any(feature = "flex", feature = "cube"))]
mod operations;

pub use launch::NoiseLaunch;

pub(crate) use launch::fill;

use burn::tensor::Tensor;

/// The amplitudes `A` of the independent draws as a function of their parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Amplitude {
    /// `A = α`.
    Value,
    /// `A = √|a|`: the parameter is a variance.
    Root,
}

/// The power of the standard deviation `s` that scales a part of the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StdPower {
    /// `1`.
    Zero,
    /// `√s`.
    Half,
    /// `s`.
    One,
}

/// The functions `A`, `p` and `q` of the kernels' formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoiseForm {
    /// `A`.
    pub amplitude: Amplitude,
    /// `p`, the scale of the independent draws.
    pub independent: StdPower,
    /// True if `q`, the scale of the factor's draws, is `s` instead of 1.
    pub factor_by_std: bool,
}

/// Noise that the kernels serve.
#[derive(Clone, Debug)]
pub struct FusedNoise {
    /// The functions `A`, `p` and `q`.
    pub form: NoiseForm,
    /// True if the gradient passes through the standard deviation.
    pub through_std: bool,
    /// The parameter of the amplitudes, `[n]`: element `i` of a row has number `(i / stride) % n`.
    /// `n` is 1, or `n · stride` divides the elements of a row; with [`Amplitude::Root`] `n` is
    /// their number.
    pub amplitudes: Tensor<1>,
    /// Neighbouring elements that share an amplitude, above 0; 1 with [`Amplitude::Root`].
    pub stride: usize,
    /// The factor `F`, `[elements, rank]`; `None` for no shared draws.
    pub factor: Option<Tensor<2>>,
}

impl FusedNoise {
    /// How this is not noise for rows of so many elements, if it is not.
    pub fn fault(&self, elements: usize) -> Option<String> {
        let (n, stride) = (self.amplitudes.dims()[0], self.stride);
        let (fits, wanted) = match self.form.amplitude {
            Amplitude::Value => (
                n > 0 && stride > 0 && (n == 1 || elements.is_multiple_of(n * stride)),
                format!("1, or a number that times a stride above 0 divides {elements} elements"),
            ),
            Amplitude::Root => (n == elements && stride == 1, format!("{elements} and stride 1")),
        };
        if !fits {
            let got = format!("got a fused form of {n} amplitudes, stride {stride}");
            return Some(format!("{got}, wanted {wanted}"));
        }
        let rows = self.factor.as_ref().map_or(elements, |factor| factor.dims()[0]);
        (rows != elements).then(|| format!("got {rows} rows of the factor, wanted {elements}"))
    }
}

/// The rows of a tensor that gets noise, and the streams of their draws.
#[derive(Clone, Copy, Debug)]
pub struct NoiseRows {
    /// The number of rows.
    pub rows: usize,
    /// An independent draw for each row, or one draw for all.
    pub draw_per_row: bool,
    /// The standard deviation of each row, or one over the whole tensor.
    pub std_per_row: bool,
    /// The key of the draws `e`.
    pub independent: [u32; 4],
    /// The key of the draws `e_f`.
    pub shared: [u32; 4],
    /// The number of the first draw: it begins at the index of its stream that is this number times
    /// the values of a draw. The others follow.
    pub first: u64,
}

impl StdPower {
    /// The power of a standard deviation, and its derivative.
    #[cfg(feature = "flex")]
    pub(crate) fn at(self, std: f32) -> [f32; 2] {
        match self {
            Self::Zero => [1.0, 0.0],
            Self::Half => {
                let root = std.sqrt();
                // A square root at zero has the gradient zero.
                [root, if root > 0.0 { 0.5 / root } else { 0.0 }]
            }
            Self::One => [std, 1.0],
        }
    }
}

impl NoiseForm {
    /// True if the noise depends on the standard deviation.
    pub(crate) fn reads_std(self) -> bool {
        self.independent != StdPower::Zero || self.factor_by_std
    }
}
