//! The threat model: what the attacker may change.

mod ball;
mod epsilon;
pub(crate) mod hyperplane;
pub(crate) mod l1;
mod norm;
pub(crate) mod on_host;

pub use self::ball::Ball;
pub use self::epsilon::Epsilon;
pub use self::norm::Norm;

use crate::AttackError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A threat: the attacker may move every image, pixels in [0, 1], by at most ε in a norm, or
/// without a bound.
///
/// ```
/// use cni_attacks::{Norm, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!((threat.norm(), threat.epsilon()), (Norm::Linf, 8.0 / 255.0));
/// assert!(Threat::l2(-0.5).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Threat {
    norm: Norm,
    /// Infinite without a bound.
    epsilon: f64,
}

impl Threat {
    /// The ball of radius `epsilon`, in units of the pixel range.
    ///
    /// # Errors
    ///
    /// If `epsilon` is negative, NaN or infinite. In Linf also from 1 on, since such a ball holds
    /// every image: most often that is a radius in bytes, 8 instead of 8/255.
    /// [`whole_box`](Self::whole_box) gives that ball on purpose, and
    /// [`unbounded`](Self::unbounded) sets no bound. Zero is allowed, and leaves the images as they
    /// are.
    pub fn new(norm: Norm, epsilon: f64) -> Result<Self, AttackError> {
        let threat = Self::of_any_radius(norm, epsilon)?;
        if threat.is_unbounded() {
            return Err(AttackError::Epsilon { got: epsilon });
        }
        if norm == Norm::Linf && epsilon >= 1.0 {
            return Err(AttackError::EpsilonOfBytes { got: epsilon });
        }
        Ok(threat)
    }

    /// No bound: every image of the box, its change measured in a norm. For attacks of minimum
    /// norm, whose result is then the nearest adversarial image however far it is. Attacks that
    /// need a radius refuse it before their first pass.
    ///
    /// ```
    /// use cni_attacks::{Norm, Threat};
    /// let threat = Threat::unbounded(Norm::L2);
    /// assert_eq!(threat.to_string(), "L2 unbounded");
    /// assert!(threat.is_unbounded() && threat.epsilon() == f64::INFINITY);
    /// ```
    pub fn unbounded(norm: Norm) -> Self {
        Self { norm, epsilon: f64::INFINITY }
    }

    /// The Linf ball that holds the whole box: every pixel takes any value.
    pub fn whole_box() -> Self {
        Self { norm: Norm::Linf, epsilon: 1.0 }
    }

    /// The ball of another radius in the same norm, which in Linf may be the
    /// [`whole_box`](Self::whole_box), and [`unbounded`](Self::unbounded) if it is infinite; an
    /// error if `epsilon` is NaN or below 0.
    pub fn with_epsilon(self, epsilon: f64) -> Result<Self, AttackError> {
        Self::of_any_radius(self.norm, epsilon)
    }

    /// The ball of so many times the radius.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { epsilon: factor * self.epsilon, ..self }
    }

    /// As [`new`](Self::new), with radii of 1 and more in Linf and the infinite one.
    fn of_any_radius(norm: Norm, epsilon: f64) -> Result<Self, AttackError> {
        match epsilon >= 0.0 {
            true => Ok(Self { norm, epsilon }),
            false => Err(AttackError::Epsilon { got: epsilon }),
        }
    }

    /// Every pixel moves by at most `epsilon`. Errors as [`new`](Self::new).
    pub fn linf(epsilon: f64) -> Result<Self, AttackError> {
        Self::new(Norm::Linf, epsilon)
    }

    /// The image moves by at most `epsilon` in Euclidean length. Errors as [`new`](Self::new).
    pub fn l2(epsilon: f64) -> Result<Self, AttackError> {
        Self::new(Norm::L2, epsilon)
    }

    /// The sum of the changes of all pixels is at most `epsilon`. Errors as [`new`](Self::new).
    pub fn l1(epsilon: f64) -> Result<Self, AttackError> {
        Self::new(Norm::L1, epsilon)
    }

    /// The norm that measures the change.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The radius ε, in units of the pixel range [0, 1]; infinite without a bound.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// True if there is no bound.
    pub fn is_unbounded(&self) -> bool {
        self.epsilon == f64::INFINITY
    }
}

/// The threat in the form of files.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["norm", "epsilon"]))]
struct Unchecked {
    norm: Norm,
    /// The radius; null without a bound.
    // A file without this field is an error; without the attribute it would mean no bound.
    #[serde(deserialize_with = "Option::deserialize")]
    epsilon: Option<f64>,
}

impl From<Threat> for Unchecked {
    fn from(Threat { norm, epsilon }: Threat) -> Self {
        Self { norm, epsilon: epsilon.is_finite().then_some(epsilon) }
    }
}

impl TryFrom<Unchecked> for Threat {
    type Error = AttackError;

    fn try_from(Unchecked { norm, epsilon }: Unchecked) -> Result<Self, Self::Error> {
        // A record may hold any radius that an attack has used.
        Self::of_any_radius(norm, epsilon.unwrap_or(f64::INFINITY))
    }
}

impl fmt::Display for Threat {
    /// The norm and ε, in bytes if it is a whole number of them: `Linf 8/255`, `L2 0.5`, `L2
    /// unbounded`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unbounded() {
            return write!(f, "{:?} unbounded", self.norm);
        }
        match (self.norm, Epsilon::new(self.epsilon)) {
            (Norm::Linf, Ok(epsilon)) => write!(f, "{:?} {epsilon}", self.norm),
            _ => write!(f, "{:?} {}", self.norm, self.epsilon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threat_survives_json_and_is_checked_on_the_way_in() {
        let threat = Threat::l2(0.5).unwrap();
        let text = serde_json::to_string(&threat).unwrap();
        assert_eq!(text, r#"{"norm":"l2","epsilon":0.5}"#);
        assert_eq!(serde_json::from_str::<Threat>(&text).unwrap(), threat);
        let error = serde_json::from_str::<Threat>(&text.replace("0.5", "-0.5")).unwrap_err();
        assert!(error.to_string().contains("epsilon: got -0.5"), "{error}");
    }

    #[test]
    fn no_bound_is_null_and_a_missing_radius_is_refused() {
        let threat = Threat::unbounded(Norm::L2);
        let text = serde_json::to_string(&threat).unwrap();
        assert_eq!(text, r#"{"norm":"l2","epsilon":null}"#);
        assert_eq!(serde_json::from_str::<Threat>(&text).unwrap(), threat);
        assert!(serde_json::from_str::<Threat>(r#"{"norm":"l2"}"#).is_err());
        assert!(Threat::l2(f64::INFINITY).is_err() && Threat::l2(f64::NAN).is_err());
    }

    #[test]
    fn a_radius_in_bytes_is_refused_with_the_fraction_that_was_meant() {
        let wanted = "epsilon: got 8, wanted less than 1 in Linf, in units of the pixel range \
                      [0, 1]; for 8 of 255 values of a byte write 8/255";
        assert_eq!(Threat::linf(8.0).unwrap_err().to_string(), wanted);
        assert!(Threat::linf(1.0).is_err());
        assert!(Threat::linf(254.0 / 255.0).is_ok());
        assert!(Threat::l2(3.0).is_ok() && Threat::l1(12.0).is_ok());
        assert_eq!(Threat::of_any_radius(Norm::Linf, 1.0).unwrap().epsilon(), 1.0);
    }

    #[test]
    fn a_threat_is_written_as_the_field_writes_it() {
        let text = |threat: Result<Threat, AttackError>| threat.unwrap().to_string();
        assert_eq!(text(Threat::linf(8.0 / 255.0)), "Linf 8/255");
        assert_eq!(text(Threat::linf(0.3)), "Linf 0.3");
        assert_eq!(text(Threat::l2(0.5)), "L2 0.5");
    }
}
