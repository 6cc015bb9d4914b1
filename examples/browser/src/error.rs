//! Errors, in sentences that the page shows.

use cni_burn::attacks::AttackError;
use cni_burn::layers::{CovarianceError, NoiseError};
use cni_burn::pretrained::PretrainedError;

/// The reason why something cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// Weights that are unknown, or not the ones that are known.
    #[error(transparent)]
    Weights(#[from] PretrainedError),
    /// A setting of the attack, or an attack that failed.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// A scale of the noise that is none.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// Noise whose covariance cannot be told.
    #[error(transparent)]
    Covariance(#[from] CovarianceError),
    /// Settings that cannot be read.
    #[error("settings: {0}")]
    Settings(#[from] serde_json::Error),
    /// A value out of its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Value {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: String,
        /// The values that there are.
        wanted: String,
    },
}

impl PageError {
    /// The error of a value out of its range.
    pub(crate) fn value(
        field: &'static str,
        got: impl ToString,
        wanted: impl Into<String>,
    ) -> Self {
        Self::Value { field, got: got.to_string(), wanted: wanted.into() }
    }
}
