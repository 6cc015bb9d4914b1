//! What became of a batch, as it is or under one attack.

use cni_attacks::{Passes, Severity};
use serde::{Deserialize, Serialize};

/// A batch, as it is or under one attack, and what the model made of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// For each draw the class of each image.
    pub predicted: Vec<Vec<i64>>,
    /// Classes that the model tells apart.
    pub classes: usize,
    /// Whether the logits of the first draw look like probabilities.
    pub probabilities: bool,
    /// How far each image misleads the model: what chooses the worst attack.
    pub severity: Vec<Severity>,
    /// The distance of each image from the clean one in the attack's norm.
    pub distance: Vec<f64>,
    /// Images that the attack was run on.
    pub attacked: usize,
    /// Whether a budget ended the attack.
    pub exhausted: bool,
    /// The numbers of the examples that met a gradient of zero.
    pub zero_gradients: Vec<u64>,
    /// The pixels of the first images, for the gallery.
    pub pixels: Vec<Vec<f32>>,
    /// The hash of the images' file, if they are kept.
    pub images: Option<String>,
    /// What the attack cost.
    pub passes: Passes,
    /// What the judgement cost.
    pub scoring: Passes,
    /// Seconds of the attack.
    pub seconds: f64,
    /// Seconds of the judgement.
    pub scoring_seconds: f64,
}

impl Candidate {
    /// Whether the model is wrong on an image in every draw that selects, so that an attacker has
    /// nothing left to win.
    ///
    /// As many draws select as judge.
    pub fn is_broken(&self, row: usize) -> bool {
        self.severity[row].wrong_draws == self.predicted.len()
    }

    /// The batch as it stands, for an attack that had nothing to do.
    pub fn at_no_cost(&self) -> Self {
        Self {
            attacked: 0,
            exhausted: false,
            zero_gradients: Vec::new(),
            images: None,
            passes: Passes::default(),
            scoring: Passes::default(),
            seconds: 0.0,
            scoring_seconds: 0.0,
            ..self.clone()
        }
    }

    /// The batch after an attack that `found` images for these rows of it, in rising order, of
    /// which those at the places `changed` replace what stood there. Its cost is that of the
    /// attack.
    pub fn with(&self, rows: &[usize], found: &Self, changed: &[usize]) -> Self {
        let mut all = Self {
            predicted: self.predicted.clone(),
            severity: self.severity.clone(),
            distance: self.distance.clone(),
            pixels: self.pixels.clone(),
            ..found.clone()
        };
        for &at in changed {
            let row = rows[at];
            for (draw, of_found) in all.predicted.iter_mut().zip(&found.predicted) {
                draw[row] = of_found[at];
            }
            (all.severity[row], all.distance[row]) = (found.severity[at], found.distance[at]);
            if let (Some(pixels), Some(new)) = (all.pixels.get_mut(row), found.pixels.get(at)) {
                pixels.clone_from(new);
            }
        }
        all
    }
}
