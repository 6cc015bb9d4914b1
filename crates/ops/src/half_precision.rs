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
    /// `avx512_bf16`: by the dot products of AVX-512 for bfloat16, in processors by AMD since Zen 4
    /// and most by Intel since Cooper Lake.
    Avx512Bf16,
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
    const ALL: [Self; 4] = [Self::Amx, Self::Avx512Bf16, Self::Vectors, Self::Layers];

    /// The way in force. The environment is read once.
    ///
    /// # Errors
    ///
    /// If the environment variable names no way, or one that the processor or the system lacks.
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
            None => error(got, "amx, avx512_bf16, vectors or layers"),
            Some(way) if way.is_here() => Ok(way),
            Some(Self::Amx) => error(got, "a processor and a system with AMX"),
            Some(Self::Avx512Bf16) => error(got, "a processor and a system with AVX-512 for bf16"),
            Some(Self::Vectors | Self::Layers) => {
                error(got, "layers, in a build without the CPU backend's kernels")
            }
        }
    }

    #[cfg(feature = "flex")]
    fn fastest() -> Self {
        Self::by(Units::here()[0])
    }

    #[cfg(not(feature = "flex"))]
    fn fastest() -> Self {
        Self::Layers
    }

    #[cfg(feature = "flex")]
    fn is_here(self) -> bool {
        self == Self::Layers || self.find().is_some()
    }

    #[cfg(not(feature = "flex"))]
    fn is_here(self) -> bool {
        self == Self::Layers
    }

    /// The way of some units.
    #[cfg(feature = "flex")]
    fn by(units: Units) -> Self {
        match units {
            #[cfg(target_arch = "x86_64")]
            Units::Amx(_) => Self::Amx,
            #[cfg(target_arch = "x86_64")]
            Units::Dots(_) => Self::Avx512Bf16,
            Units::Vectors(_) => Self::Vectors,
        }
    }

    /// The processor's units for this way.
    #[cfg(feature = "flex")]
    fn find(self) -> Option<Units> {
        Units::here().into_iter().find(|&units| Self::by(units) == self)
    }

    /// The units in force, none for [`Layers`](Self::Layers).
    ///
    /// # Panics
    ///
    /// With the message of the error that [`in_force`](Self::in_force) gives.
    #[cfg(feature = "flex")]
    pub(crate) fn units() -> Option<Units> {
        static UNITS: OnceLock<Option<Units>> = OnceLock::new();
        *UNITS.get_or_init(|| Self::in_force().unwrap_or_else(|error| panic!("{error}")).find())
    }
}

/// The name that the environment variable takes.
impl fmt::Display for HalfPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amx => "amx",
            Self::Avx512Bf16 => "avx512_bf16",
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
        let wanted = "amx, avx512_bf16, vectors or layers";
        assert_eq!(error, format!("CNI_HALF_PRECISION: got \"gpu\", wanted {wanted}"));
        assert!(HalfPrecision::fastest().is_here());
        for (way, wanted) in [
            (HalfPrecision::Amx, "a processor and a system with AMX"),
            (HalfPrecision::Avx512Bf16, "a processor and a system with AVX-512 for bf16"),
        ] {
            match (way.is_here(), of(&way.to_string())) {
                (true, given) => assert_eq!(given, Ok(way)),
                (false, given) => {
                    let error = given.unwrap_err().to_string();
                    assert!(error.ends_with(&format!("wanted {wanted}")), "{error}");
                }
            }
        }
    }
}
