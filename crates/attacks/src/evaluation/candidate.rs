//! What became of a batch, as it is or under one attack, and how it survives a kill.

use super::store::{read_text, write_whole};
use super::{Evaluation, EvaluationError, NoiseState};
use crate::Passes;
use crate::disk::fingerprint;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A batch, as it is or under one attack, and what the model made of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// For each draw the class of each image.
    pub predicted: Vec<Vec<i64>>,
    /// Whether the logits of the first look like probabilities.
    pub probabilities: bool,
    /// By how much the model errs on each image: what chooses the worst attack.
    pub danger: Vec<f64>,
    /// The distance of each image from the clean one in the attack's norm.
    pub distance: Vec<f64>,
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

/// The version of the files' layout, which is part of the fingerprint.
const LAYOUT: u32 = 1;

/// The candidates of one batch on disk, a file for each.
pub(super) struct State {
    folder: PathBuf,
    batch: usize,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    fingerprint: String,
    candidate: Candidate,
}

impl State {
    /// The files of the batch that begins with example `first`, for an evaluation of a model that predicts `predicted`
    /// for these pixels and labels.
    pub fn new(
        folder: &Path,
        evaluation: &Evaluation,
        first: usize,
        (pixels, labels): (&[u8], &[i64]),
        predicted: &[Vec<i64>],
    ) -> Self {
        let specs: Vec<_> = evaluation.suite.iter().map(|attack| attack.spec()).collect();
        let Evaluation { draws, key, gallery, .. } = evaluation;
        let text = format!(
            "{LAYOUT} {specs:?} {draws} {key:?} {gallery} {first} {labels:?} {predicted:?}"
        );
        let fingerprint = fingerprint(&[text.as_bytes(), pixels]);
        Self { folder: folder.to_path_buf(), batch: first, fingerprint }
    }

    fn path(&self, noise: NoiseState, index: usize) -> PathBuf {
        self.folder.join(format!("from-{:06}-{noise}-{index:02}.json", self.batch))
    }

    /// The candidate, if its file is there.
    pub fn load(
        &self,
        noise: NoiseState,
        index: usize,
    ) -> Result<Option<Candidate>, EvaluationError> {
        let path = self.path(noise, index);
        if !path.exists() {
            return Ok(None);
        }
        let saved: Saved = match serde_json::from_str(&read_text(&path)?) {
            Ok(saved) => saved,
            Err(error) => {
                let (line, reason) = (Some(error.line()), error.to_string());
                return Err(EvaluationError::Damaged { path, line, reason });
            }
        };
        if saved.fingerprint != self.fingerprint {
            return Err(EvaluationError::State { path });
        }
        Ok(Some(saved.candidate))
    }

    /// Writes the candidate down. The file is complete or not there.
    pub fn save(
        &self,
        noise: NoiseState,
        index: usize,
        candidate: &Candidate,
    ) -> Result<(), EvaluationError> {
        let saved = Saved { fingerprint: self.fingerprint.clone(), candidate: candidate.clone() };
        let text = serde_json::to_string(&saved).expect("a candidate is plain data");
        write_whole(&self.path(noise, index), text.as_bytes())
    }
}
