//! Errors of a law's settings.

use std::fmt::Display;

/// A setting of a noise law that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: got {got}, wanted {wanted}")]
pub struct LawError {
    /// The setting.
    pub field: &'static str,
    /// Its value.
    pub got: String,
    /// The values that fit.
    pub wanted: String,
}

impl LawError {
    /// The error for a setting.
    pub fn new(field: &'static str, got: impl Display, wanted: impl Display) -> Self {
        Self { field, got: got.to_string(), wanted: wanted.to_string() }
    }
}
