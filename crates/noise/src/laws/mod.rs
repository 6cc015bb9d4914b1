//! The noise laws, one law one file, and the table that lists them.
//!
//! With `v` the tensor that receives noise, `s` the unbiased standard deviation over all its
//! elements, `e` and `e_f` standard normal draws and `⊙` the element-wise product:
//!
//! | law | scale | noise | covariance |
//! | --- | --- | --- | --- |
//! | [`White`] (PNI, He, Rakin and Fan, CVPR 2019, eq. 3) | reference, relative | `α s ⊙ e` | `diag(α² s²)` |
//! | | absolute | `α ⊙ e` | `diag(α²)` |
//! | [`Colored`] (CNI, arXiv 2003.02188, as in the authors' code) | reference | `√\|s a\| ⊙ e + F e_f` | `diag(\|s a\|) + F Fᵀ` |
//! | | relative | `s (√\|a\| ⊙ e + F e_f)` | `s² (diag(\|a\|) + F Fᵀ)` |
//! | | absolute | `√\|a\| ⊙ e + F e_f` | `diag(\|a\|) + F Fᵀ` |
//! | [`Multiplicative`] (CTRW, Ma, Dong and Xu, NeurIPS 2023) | reference, relative | `v ⊙ σ ⊙ e` about `v ⊙ μ` | `diag(v² σ²)` |
//!
//! All functions are differentiable with finite gradients everywhere: a square root at zero has the
//! gradient zero.

mod colored;
mod covariance;
mod error;
mod multiplicative;
mod parameters;
mod rows;
mod scale;
mod white;

pub use covariance::{Covariance, CovarianceFault, TensorNoise};
pub use error::LawError;
pub use parameters::{FactorSpec, HostParameters, LawParameters, NoiseParameters, VectorSpec};
pub use rows::{Draws, Rows, standard_deviation, standard_deviations};
pub use scale::{Granularity, NoiseScale, TensorShape};

use burn::tensor::Tensor;
use cni_ops::FusedNoise;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;

/// A law of random noise on a tensor: its parameters, its noise from standard normal draws, its
/// exact covariance and, if it has one, the form that kernels serve.
///
/// A row is what one draw is for: a weight, or one example of an activation, flattened. The noise
/// of a row is a function of the parameters, the row and the draws alone.
pub trait NoiseLaw: fmt::Debug + Send + Sync {
    /// The name in tables and records, such as `white` or `colored, rank 5`.
    fn name(&self) -> String;

    /// The learnable parameters for a tensor of this shape, with their initial values.
    fn parameters(&self, shape: &TensorShape) -> LawParameters;

    /// Checks the law's settings for a tensor of this shape.
    ///
    /// That initial values are finite is checked for every law.
    ///
    /// # Errors
    ///
    /// [`LawError`] for a setting out of its range, and for a scale that the law does not have.
    fn check(&self, scale: NoiseScale, shape: &TensorShape) -> Result<(), LawError>;

    /// Which elements share parameters. It decides which activations a layer takes: with one
    /// parameter for each element only those of the layer's own shape.
    fn granularity(&self) -> Granularity {
        Granularity::Element
    }

    /// The standard normal values in a draw for a row of `elements`, by stream. Stream `k` is drawn
    /// by the `k`-th child of the draw's key.
    fn draws(&self, elements: usize) -> Vec<usize> {
        vec![elements]
    }

    /// True if the law gives the tensor another mean than itself.
    fn has_mean(&self) -> bool {
        false
    }

    /// The mean of the noisy rows, `[rows, elements]`, which stays if noise is off: the rows
    /// themselves unless [`has_mean`](Self::has_mean).
    fn mean(&self, _parameters: &NoiseParameters, rows: Tensor<2>) -> Tensor<2> {
        rows
    }

    /// The noise of all rows, of mean zero, `[rows, elements]`; `[1, elements]` if all rows share
    /// draws and standard deviation.
    ///
    /// `draws` are those of [`draws`](Self::draws), one for all rows or one for each.
    fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2>;

    /// The covariance of the noise of a row of standard deviation `std`. `values` are the row's
    /// elements; `None` for an activation, for which elements of mean square `std²` stand.
    fn covariance(
        &self,
        parameters: &HostParameters,
        std: f64,
        values: Option<&[f64]>,
    ) -> Covariance;

    /// The learned amplitude in one number that is free of the tensor.
    fn amplitude(&self, parameters: &HostParameters) -> f64;

    /// The noise in the form that kernels serve, `None` if it has none: then it is computed by
    /// tensor operations.
    fn fused(&self, _parameters: &NoiseParameters) -> Option<FusedNoise> {
        None
    }
}

impl dyn NoiseLaw + '_ {
    /// Checks the law for a tensor of this shape: its settings, and that its initial values are
    /// finite.
    ///
    /// # Errors
    ///
    /// [`LawError`] for the first setting that does not fit.
    pub fn validate(&self, scale: NoiseScale, shape: &TensorShape) -> Result<(), LawError> {
        let LawParameters { vectors, factor } = self.parameters(shape);
        let factor = factor.map(|factor| ("factor", factor.initial));
        let initial = vectors.iter().map(|vector| (vector.name, vector.initial)).chain(factor);
        for (field, value) in initial {
            if !value.is_finite() {
                return Err(LawError::new(field, value, "a finite number"));
            }
        }
        self.check(scale, shape)
    }
}

/// Makes the enum of all laws from the table below.
macro_rules! laws {
    ($($module:ident::$law:ident,)+) => {
        $(pub use $module::$law;)+

        /// One of the library's noise laws with its settings. It is used as the [`NoiseLaw`] that
        /// it holds.
        #[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum NoiseKind {
            $(
                #[doc = concat!("The law [`", stringify!($law), "`].")]
                $law($law),
            )+
        }

        impl NoiseKind {
            /// Every law, with settings for a tensor of this shape.
            pub fn all(shape: &TensorShape) -> Vec<Self> {
                [$($module::examples(shape).into_iter().map(Self::from).collect::<Vec<_>>(),)+]
                    .concat()
            }
        }

        impl Deref for NoiseKind {
            type Target = dyn NoiseLaw;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$law(law) => law,)+
                }
            }
        }

        $(
            impl From<$law> for NoiseKind {
                fn from(law: $law) -> Self {
                    Self::$law(law)
                }
            }
        )+
    };
}

laws! {
    white::White,
    colored::Colored,
    multiplicative::Multiplicative,
}

impl fmt::Debug for NoiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The name of the law.
impl fmt::Display for NoiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
