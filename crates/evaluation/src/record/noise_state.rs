//! The states of a model's noise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// In which state the noise of a model is attacked and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseState {
    /// As it is deployed: a new draw for every query.
    Live,
    /// Switched off.
    Off,
    /// One draw, held.
    Fixed,
}

impl fmt::Display for NoiseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Off => "off",
            Self::Fixed => "fixed",
        })
    }
}
