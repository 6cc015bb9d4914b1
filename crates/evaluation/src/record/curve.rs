//! Accuracy against the radius.

use crate::Accuracy;
use cni_attacks::Passes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Robust accuracy under one attack at several radii. In a cascade it is the accuracy after this
/// attack and those before it, all at the same radius.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpsilonCurve {
    /// The name of the attack, as in the attacks of the record.
    pub attack: String,
    /// The points, by increasing radius.
    pub points: Vec<EpsilonPoint>,
}

/// One point of an [`EpsilonCurve`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpsilonPoint {
    /// The radius, in units of the pixel range [0, 1].
    pub epsilon: f64,
    /// Robust accuracy at this radius, with live noise.
    pub accuracy: Accuracy,
    /// The cost of the attack at this radius, in passes of single images.
    pub passes: Passes,
}
