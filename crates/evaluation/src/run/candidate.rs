//! What became of a batch, as it is or under one attack.

use cni_attacks::Passes;
use cni_attacks::Severity;
use serde::{Deserialize, Serialize};

/// A batch, as it is or under one attack, and what the model made of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// For each draw the class of each image.
    pub predicted: Vec<Vec<i64>>,
    /// Classes that the model tells apart.
    pub classes: usize,
    /// Whether the logits of the first look like probabilities.
    pub probabilities: bool,
    /// How far each image misleads the model: what chooses the worst attack.
    pub severity: Vec<Severity>,
    /// The distance of each image from the clean one in the attack's norm.
    pub distance: Vec<f64>,
    /// Images that the attack was run on. Those that a model without noise gets wrong as they are need none.
    pub attacked: usize,
    /// The numbers of the examples that met a gradient of zero.
    pub zero_gradients: Vec<u64>,
    /// The pixels of the first images, for the gallery.
    pub pixels: Vec<Vec<f32>>,
    /// What the attack cost.
    pub passes: Passes,
    /// What the judgement cost.
    pub scoring: Passes,
    /// Seconds of the attack.
    pub seconds: f64,
    /// Seconds of the judgement.
    pub scoring_seconds: f64,
}
