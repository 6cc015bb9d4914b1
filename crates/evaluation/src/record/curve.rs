//! Accuracy against the radius.

use crate::Accuracy;
use cni_attacks::Passes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Robust accuracy under one attack at several radii. In a cascade it is that after the attack and
/// those before it, all at that radius.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpsilonCurve {
    /// The name of the attack, as the record's attacks have it.
    pub attack: String,
    /// The points, by rising radius.
    pub points: Vec<EpsilonPoint>,
}

/// One point of an [`EpsilonCurve`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpsilonPoint {
    /// The radius, in units of the pixel range.
    pub epsilon: f64,
    /// Robust accuracy with live noise.
    pub accuracy: Accuracy,
    /// What the attack cost at this radius, in passes of single images.
    pub passes: Passes,
}
