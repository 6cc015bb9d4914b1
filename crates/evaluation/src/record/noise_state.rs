//! The states of a model's noise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a model's noise during attack and judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseState {
    /// Live, as it is deployed: a new draw for every query.
    Live,
    /// Switched off.
    Off,
    /// Fixed: one draw, held for all queries.
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
