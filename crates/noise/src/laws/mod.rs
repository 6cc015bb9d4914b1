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
mod kind;
mod law;
mod multiplicative;
mod parameters;
mod rows;
mod scale;
mod validate;
mod white;

pub use covariance::{Covariance, CovarianceFault, TensorNoise};
pub use error::LawError;
pub use kind::NoiseKind;
pub use law::NoiseLaw;
pub use parameters::{FactorSpec, HostParameters, LawParameters, NoiseParameters, VectorSpec};
pub use rows::{Draws, Rows, standard_deviation, standard_deviations};
pub use scale::{Granularity, NoiseScale, TensorShape};

/// A law of the library, as [`NoiseKind`] reads it.
struct BuiltIn {
    name: &'static str,
    /// True for a law of its type.
    is: fn(&dyn NoiseLaw) -> bool,
    /// Reads the law from its settings.
    load: fn(serde_json::Value) -> Result<NoiseKind, serde_json::Error>,
    examples: fn(&TensorShape) -> Vec<NoiseKind>,
}

/// Makes the list of all laws from the table below.
macro_rules! laws {
    ($($module:ident::$law:ident,)+) => {
        $(pub use $module::$law;)+

        /// The built-in laws.
        const BUILT_IN: &[BuiltIn] = &[$(BuiltIn {
            name: $law::NAME,
            is: |law| law.downcast_ref::<$law>().is_some(),
            load: |settings| Ok(serde_json::from_value::<$law>(settings)?.into()),
            examples: |shape| $module::examples(shape).map(NoiseKind::from).into(),
        },)+];

        impl serde::Serialize for NoiseKind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Settings in the order of their fields, which a JSON value does not keep.
                $(if let Some(law) = self.downcast_ref::<$law>() {
                    return serializer.serialize_newtype_variant("NoiseKind", 0, $law::NAME, law);
                })+
                self.spec().serialize(serializer)
            }
        }
    };
}

laws! {
    white::White,
    colored::Colored,
    multiplicative::Multiplicative,
}
