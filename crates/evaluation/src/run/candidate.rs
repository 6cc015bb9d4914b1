//! Candidates: the clean batch, or the batch after one attack.

use crate::record::spectrum::SpectrumTally;
use cni_attacks::{Passes, Severity};
use serde::{Deserialize, Serialize};

/// A candidate: a batch, clean or after one attack, with the predictions of the model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// The predicted class of each image, for each draw.
    pub predicted: Vec<Vec<i64>>,
    /// The number of classes of the model.
    pub classes: usize,
    /// True if the logits of the first draw look like probabilities.
    pub probabilities: bool,
    /// The severity of each image: how far it misleads the model. It chooses the worst attack.
    pub severity: Vec<Severity>,
    /// The distance of each image from the clean one in the attack's norm.
    pub distance: Vec<f64>,
    /// The number of images that were attacked.
    pub attacked: usize,
    /// True if a budget ended the attack early.
    pub exhausted: bool,
    /// The spectrum of what the attack added to the images.
    #[serde(default)]
    pub spectrum: SpectrumTally,
    /// The numbers of the examples whose gradient was zero.
    pub zero_gradients: Vec<u64>,
    /// The pixels of the first images, for the gallery.
    pub pixels: Vec<Vec<f32>>,
    /// The hash of the file with the images, if they are kept.
    pub images: Option<String>,
    /// The cost of the attack.
    pub passes: Passes,
    /// The cost of the judgement.
    pub scoring: Passes,
    /// Seconds of the attack.
    pub seconds: f64,
    /// Seconds of the judgement.
    pub scoring_seconds: f64,
}

impl Candidate {
    /// True if the model is wrong on an image in every draw that selects, so that an attack cannot
    /// gain more. As many draws select as judge.
    pub fn is_broken(&self, row: usize) -> bool {
        self.severity[row].wrong_draws == self.predicted.len()
    }

    /// The same batch after an attack that had nothing to attack.
    pub fn at_no_cost(&self) -> Self {
        Self {
            attacked: 0,
            exhausted: false,
            spectrum: SpectrumTally::default(),
            zero_gradients: Vec::new(),
            images: None,
            passes: Passes::default(),
            scoring: Passes::default(),
            seconds: 0.0,
            scoring_seconds: 0.0,
            ..self.clone()
        }
    }

    /// The batch after an attack. `found` are the attacked images, `rows` their rows in rising
    /// order. The images at the places `changed` of `rows` replace those before. The cost is that
    /// of the attack.
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
