//! The choice of how half precision is computed on the CPU.

#[cfg(feature = "flex")]
use crate::cells::Units;
use std::env::{self, VarError};
use std::fmt;
use std::sync::OnceLock;

/// How the CPU computes in half precision, with [`autocast`](crate::autocast) to `Bf16`.
///
/// The fastest way that the processor has is taken, unless the environment variable
/// `CNI_HALF_PRECISION` names another. All of them round operands to bfloat16, and results agree
/// to that rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfPrecision {
    /// `amx`: by the matrix units of AMX, in processors by Intel since Sapphire Rapids.
    Amx,
    /// `vectors`: by vectors of single precision, on any processor. Sums are in single precision.
    Vectors,
    /// `layers`: by Burn's own operations, layer by layer.
    Layers,
}

/// The variable that names a way.
const VARIABLE: &str = "CNI_HALF_PRECISION";

/// A way that does not exist, or not here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}: got {got:?}, wanted {wanted}")]
pub struct HalfPrecisionError {
    got: String,
    wanted: &'static str,
}

impl HalfPrecision {
    const ALL: [Self; 3] = [Self::Amx, Self::Vectors, Self::Layers];

    /// The way in force. The environment is read once.
    ///
    /// # Errors
    ///
    /// If the environment variable names no way, or AMX where the processor or the system lacks it.
    pub fn in_force() -> Result<Self, HalfPrecisionError> {
        static IN_FORCE: OnceLock<Result<HalfPrecision, HalfPrecisionError>> = OnceLock::new();
        IN_FORCE.get_or_init(|| Self::of(env::var(VARIABLE))).clone()
    }

    fn of(variable: Result<String, VarError>) -> Result<Self, HalfPrecisionError> {
        let error = |got, wanted| Err(HalfPrecisionError { got, wanted });
        let got = match variable {
            Ok(got) => got,
            Err(VarError::NotPresent) => return Ok(Self::fastest()),
            Err(VarError::NotUnicode(got)) => got.to_string_lossy().into_owned(),
        };
        match Self::ALL.into_iter().find(|way| way.to_string() == got) {
            None => error(got, "amx, vectors or layers"),
            Some(Self::Amx) if Self::fastest() != Self::Amx => {
                error(got, "a processor and a system with AMX")
            }
            Some(Self::Vectors) if cfg!(not(feature = "flex")) => {
                error(got, "layers, in a build without the CPU backend's kernels")
            }
            Some(way) => Ok(way),
        }
    }

    #[cfg(feature = "flex")]
    fn fastest() -> Self {
        match Units::fastest() {
            #[cfg(target_arch = "x86_64")]
            Units::Amx(_) => Self::Amx,
            Units::Vectors => Self::Vectors,
        }
    }

    #[cfg(not(feature = "flex"))]
    fn fastest() -> Self {
        Self::Layers
    }

    /// The units in force, none for [`Layers`](Self::Layers).
    ///
    /// # Panics
    ///
    /// With the message of the error that [`in_force`](Self::in_force) gives.
    #[cfg(feature = "flex")]
    pub(crate) fn units() -> Option<Units> {
        match Self::in_force().unwrap_or_else(|error| panic!("{error}")) {
            Self::Amx => Some(Units::fastest()),
            Self::Vectors => Some(Units::Vectors),
            Self::Layers => None,
        }
    }
}

/// The name that the environment variable takes.
impl fmt::Display for HalfPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amx => "amx",
            Self::Vectors => "vectors",
            Self::Layers => "layers",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_a_way_that_is_there() {
        let of = |name: &str| HalfPrecision::of(Ok(name.to_string()));
        assert_eq!(of("vectors"), Ok(HalfPrecision::Vectors));
        assert_eq!(of("layers"), Ok(HalfPrecision::Layers));
        assert_eq!(HalfPrecision::of(Err(VarError::NotPresent)), Ok(HalfPrecision::fastest()));
        let error = of("gpu").unwrap_err().to_string();
        assert_eq!(error, "CNI_HALF_PRECISION: got \"gpu\", wanted amx, vectors or layers");
        match HalfPrecision::fastest() {
            HalfPrecision::Amx => assert_eq!(of("amx"), Ok(HalfPrecision::Amx)),
            _ => {
                let error = of("amx").unwrap_err().to_string();
                assert!(error.ends_with("wanted a processor and a system with AMX"), "{error}");
            }
        }
    }
}
