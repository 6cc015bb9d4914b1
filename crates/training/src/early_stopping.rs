use crate::TrainingError;
use crate::history::{EpochRow, score};
use serde::{Deserialize, Serialize};

/// The end of a run whose validation scores no longer rise.
///
/// It is a function of the history, so that a run that resumes stops where it would have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without a new best after which the run ends. The best epoch is that of the highest
    /// robust validation accuracy, or of the highest clean one if no attack measures that.
    pub patience: usize,
    /// The least gain over the best accuracy before that counts, as a fraction.
    #[serde(default)]
    pub min_delta: f64,
}

impl EarlyStopping {
    /// The end after so many epochs without a new best.
    pub fn new(patience: usize) -> Self {
        Self { patience, min_delta: 0.0 }
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        if self.patience == 0 {
            return Err(TrainingError::setting("patience", 0, "at least 1"));
        }
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            let wanted = "a finite number of at least 0";
            return Err(TrainingError::setting("min_delta", self.min_delta, wanted));
        }
        Ok(())
    }

    /// True if a run with these epochs ends.
    pub(crate) fn ends(&self, rows: &[EpochRow]) -> bool {
        let mut best: Option<(usize, f64)> = None;
        for row in rows {
            let Some(score) = score(row) else { continue };
            if best.is_none_or(|(_, record)| score > record + self.min_delta) {
                best = Some((row.epoch, score));
            }
        }
        match (best, rows.last()) {
            (Some((epoch, _)), Some(last)) => last.epoch - epoch >= self.patience,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Scores;

    fn rows(clean: &[f64]) -> Vec<EpochRow> {
        let row = |(i, clean): (usize, &f64)| EpochRow {
            epoch: i + 1,
            validation: Scores { clean: Some(*clean), ..Scores::default() },
            ..EpochRow::default()
        };
        clean.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_run_ends_after_its_patience_without_a_new_best() {
        let stopping = EarlyStopping::new(2);
        assert!(!stopping.ends(&[]));
        assert!(!stopping.ends(&rows(&[0.5, 0.4])));
        assert!(stopping.ends(&rows(&[0.5, 0.4, 0.5])));
        assert!(!stopping.ends(&rows(&[0.5, 0.4, 0.6])));
        let strict = EarlyStopping { min_delta: 0.2, ..stopping };
        assert!(strict.ends(&rows(&[0.5, 0.4, 0.6])));
    }
}
