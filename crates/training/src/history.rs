//! The metrics of past epochs.

use crate::overfitting::Overfitting;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricId, MetricName, NumericEntry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// The metrics that every run has: loss, accuracy on clean and on adversarial images.
pub(crate) const LOSS: &str = "Loss";
pub(crate) const CLEAN: &str = "Clean";
pub(crate) const ROBUST: &str = "Robust";
/// The cross-entropy on adversarial images, in runs that attack.
pub(crate) const ROBUST_LOSS: &str = "Robust loss";

/// Numbers of a model by name.
pub(crate) type Watched = BTreeMap<String, f64>;

/// Loss and accuracies of one pass over a set; accuracies are fractions. `None` if not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean loss: of the objective in training, cross-entropy on clean images in validation.
    pub loss: Option<f64>,
    /// Accuracy on clean images.
    pub clean: Option<f64>,
    /// Accuracy on adversarial images.
    pub robust: Option<f64>,
    /// Mean cross-entropy on the same adversarial images. Absent in histories from before it was
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robust_loss: Option<f64>,
    /// Draws of the model's noise that each example was judged by, and that the scores are means
    /// over. Only in validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
    /// Other scores by name: those of a custom objective in training, those of
    /// [`Trainer::with_metric`](crate::Trainer::with_metric) in validation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, f64>,
}

impl Scores {
    /// Keeps the value of a metric. One that is not finite counts as not measured.
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        let finite = value.is_finite().then_some(value);
        match name {
            LOSS => self.loss = finite,
            CLEAN => self.clean = finite,
            ROBUST => self.robust = finite,
            ROBUST_LOSS => self.robust_loss = finite,
            name => match finite {
                Some(value) => drop(self.more.insert(name.to_string(), value)),
                None => drop(self.more.remove(name)),
            },
        }
    }

    fn get(&self, name: &str) -> Option<f64> {
        match name {
            LOSS => self.loss,
            CLEAN => self.clean,
            ROBUST => self.robust,
            ROBUST_LOSS => self.robust_loss,
            name => self.more.get(name).copied(),
        }
    }
}

/// One epoch, counted from 1 as in the names of checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// The epoch.
    pub epoch: usize,
    /// On the training batches, with augmentation and while the weights moved.
    pub train: Scores,
    /// On the validation set after the epoch.
    pub validation: Scores,
    /// The numbers that [`Trainer::with_watch`](crate::Trainer::with_watch) read off the model
    /// after the epoch, by name. Those that were not finite are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watched: BTreeMap<String, f64>,
    /// The finding of [`OverfittingWatch`](crate::OverfittingWatch) after the epoch, if the run has
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overfitting: Option<Overfitting>,
}

/// Collects the epochs. Its clones share them.
///
/// It takes the place of Burn's log files, which cannot be trusted after a resume and panic on a
/// full disk.
#[derive(Clone, Default)]
pub(crate) struct History {
    rows: Arc<Mutex<BTreeMap<usize, EpochRow>>>,
    names: HashMap<MetricId, MetricName>,
}

impl History {
    pub fn new(rows: Vec<EpochRow>) -> Self {
        let rows = rows.into_iter().map(|row| (row.epoch, row)).collect();
        Self { rows: Arc::new(Mutex::new(rows)), names: HashMap::new() }
    }

    pub fn up_to(&self, epoch: usize) -> Vec<EpochRow> {
        self.lock().range(..=epoch).map(|(_, row)| row.clone()).collect()
    }

    pub fn rows(&self) -> Vec<EpochRow> {
        self.up_to(usize::MAX)
    }

    /// Adds to the row of an epoch what its metrics do not say: the draws that validation judged
    /// by, if there was a validation, the numbers that were watched, and what the watch for
    /// overfitting found.
    pub fn complete(
        &self,
        epoch: usize,
        draws: Option<usize>,
        watched: Watched,
        overfitting: Option<Overfitting>,
    ) {
        let mut rows = self.lock();
        let row = row(&mut rows, epoch);
        row.validation.draws = draws;
        row.watched = watched;
        row.overfitting = overfitting;
    }

    /// Removes the epochs after this one, which the run trains anew.
    pub fn cut(&self, epoch: usize) {
        self.lock().retain(|of, _| *of <= epoch);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, EpochRow>> {
        self.rows.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The validation score by which epochs are compared: robust before clean accuracy.
pub(crate) fn score(row: &EpochRow) -> Option<f64> {
    row.validation.robust.or(row.validation.clean)
}

/// The epoch with the best validation score; of equals the first.
pub(crate) fn best(rows: &[EpochRow]) -> Option<usize> {
    let scored = rows.iter().filter_map(|row| Some((row.epoch, score(row)?)));
    scored
        .fold(None, |best: Option<(usize, f64)>, (epoch, score)| match best {
            Some((_, record)) if record >= score => best,
            _ => Some((epoch, score)),
        })
        .map(|(epoch, _)| epoch)
}

fn row(rows: &mut BTreeMap<usize, EpochRow>, epoch: usize) -> &mut EpochRow {
    rows.entry(epoch).or_insert(EpochRow { epoch, ..EpochRow::default() })
}

fn scores<'a>(row: &'a mut EpochRow, split: &Split) -> &'a mut Scores {
    match split {
        Split::Train => &mut row.train,
        _ => &mut row.validation,
    }
}

impl MetricLogger for History {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        for metric in update.entries_numeric {
            let Some(NumericEntry::Final(value)) = metric.numeric_entry else {
                continue;
            };
            let Some(name) = self.names.get(&metric.entry.metric_id) else {
                continue;
            };
            let mut rows = self.lock();
            scores(row(&mut rows, epoch), split).set(name, value);
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let value = self.lock().get_mut(&epoch).and_then(|row| scores(row, split).get(name));
        Ok(value.map(NumericEntry::Final).into_iter().collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name);
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row as it was written before there were robust losses and watches.
    #[test]
    fn a_row_from_before_robust_losses_stays_readable() {
        let old = r#"{
            "epoch": 7,
            "train": { "loss": 1.5, "clean": 0.5, "robust": 0.25, "more": { "robust_loss": 9.0 } },
            "validation": { "loss": 1.25, "clean": 0.5, "robust": null, "draws": 5 }
        }"#;
        let row: EpochRow = serde_json::from_str(old).unwrap();
        assert_eq!((row.epoch, row.train.robust, row.validation.draws), (7, Some(0.25), Some(5)));
        assert_eq!((row.train.robust_loss, row.overfitting), (None, None));
        let text = serde_json::to_string(&row).unwrap();
        assert!(!text.contains("overfitting"), "{text}");
        assert_eq!(serde_json::from_str::<EpochRow>(&text).unwrap(), row);
    }
}
