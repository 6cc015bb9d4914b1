//! The threat model: what the attacker may change.

use crate::{AttackError, Norm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The attacker may move every image, pixels in [0, 1], by at most ε in a norm.
///
/// ```
/// use cni_attacks::{Norm, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!((threat.norm(), threat.epsilon()), (Norm::Linf, 8.0 / 255.0));
/// assert!(Threat::l2(-0.5).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
pub struct Threat {
    norm: Norm,
    epsilon: f64,
}

impl Threat {
    /// The ball of radius `epsilon`, in units of the pixel range.
    ///
    /// # Errors
    ///
    /// Where `epsilon` is negative, NaN or infinite. Zero is a radius: it leaves the images alone.
    pub fn new(norm: Norm, epsilon: f64) -> Result<Self, AttackError> {
        if !(epsilon.is_finite() && epsilon >= 0.0) {
            return Err(AttackError::Epsilon { got: epsilon });
        }
        Ok(Self { norm, epsilon })
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

    /// The radius ε, in units of the pixel range [0, 1].
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }
}

#[derive(Deserialize, JsonSchema)]
struct Unchecked {
    norm: Norm,
    epsilon: f64,
}

impl TryFrom<Unchecked> for Threat {
    type Error = AttackError;

    fn try_from(Unchecked { norm, epsilon }: Unchecked) -> Result<Self, Self::Error> {
        Self::new(norm, epsilon)
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
}
