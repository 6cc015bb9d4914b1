use crate::AttackError;
use std::fmt;
use std::str::FromStr;

/// A radius ε, in units of the pixel range [0, 1], as people write it: `8/255` or `0.031`.
///
/// ```
/// use cni_attacks::{Epsilon, Threat};
/// let epsilon: Epsilon = "8/255".parse()?;
/// assert_eq!(epsilon.value(), 8.0 / 255.0);
/// assert_eq!(epsilon.to_string(), "8/255");
/// assert_eq!(Threat::linf(epsilon.value())?.to_string(), "Linf 8/255");
/// assert!("eight".parse::<Epsilon>().is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Epsilon(f64);

impl Epsilon {
    /// A radius.
    ///
    /// # Errors
    ///
    /// [`AttackError::Epsilon`] for a number that is negative or not finite.
    pub fn new(value: f64) -> Result<Self, AttackError> {
        match value.is_finite() && value >= 0.0 {
            true => Ok(Self(value)),
            false => Err(AttackError::Epsilon { got: value }),
        }
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl FromStr for Epsilon {
    type Err = AttackError;

    /// Reads a number or a quotient of two numbers.
    ///
    /// # Errors
    ///
    /// [`AttackError::EpsilonText`] for a text that is neither, and those of [`Epsilon::new`].
    fn from_str(text: &str) -> Result<Self, AttackError> {
        let refused = || AttackError::EpsilonText { got: text.to_string() };
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| refused());
        let value = match text.split_once('/') {
            Some((above, below)) => number(above)? / number(below)?,
            None => number(text)?,
        };
        if value.is_finite() { Self::new(value) } else { Err(refused()) }
    }
}

impl fmt::Display for Epsilon {
    /// In bytes if it is a whole number of them, `8/255`, and as a decimal number otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = 255.0 * self.0;
        match (bytes - bytes.round()).abs() < 1e-6 && (1.0..=255.0).contains(&bytes.round()) {
            true => write!(f, "{}/255", bytes.round()),
            false => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_fractions_are_read_and_written_as_the_field_writes_them() {
        for (text, value, written) in [
            ("8/255", 8.0 / 255.0, "8/255"),
            (" 8 / 255 ", 8.0 / 255.0, "8/255"),
            ("0.5", 0.5, "0.5"),
            ("1/3", 1.0 / 3.0, "85/255"),
            ("12", 12.0, "12"),
            ("0", 0.0, "0"),
        ] {
            let epsilon: Epsilon = text.parse().unwrap();
            assert_eq!(epsilon.value(), value, "{text}");
            assert_eq!(epsilon.to_string(), written);
            assert_eq!(epsilon.to_string().parse::<Epsilon>().unwrap(), epsilon);
        }
    }

    #[test]
    fn a_text_that_is_no_radius_is_refused_with_what_was_wanted() {
        for text in ["eight", "", "1/0", "0/0", "nan", "inf", "8/255/2", "1/nan"] {
            let error = text.parse::<Epsilon>().unwrap_err();
            assert_eq!(error, AttackError::EpsilonText { got: text.to_string() });
            assert!(error.to_string().contains("8/255"), "{error}");
        }
        assert_eq!("-1/255".parse::<Epsilon>(), Err(AttackError::Epsilon { got: -1.0 / 255.0 }));
    }
}
