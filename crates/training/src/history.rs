//! The metrics of past epochs.

use crate::metrics::NAMES;
use crate::watch::Watched;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricId, MetricName, NumericEntry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// Loss and accuracies of one pass over a set; accuracies are fractions. Absent is what was not
/// measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean loss: of the objective in training, cross-entropy on clean images in validation.
    pub loss: Option<f64>,
    /// Accuracy on clean images.
    pub clean: Option<f64>,
    /// Accuracy on adversarial images.
    pub robust: Option<f64>,
    /// Draws of the model's noise that each example was judged by, and that the scores are means
    /// over. Only in validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
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
    /// What [`Trainer::with_watch`](crate::Trainer::with_watch) read off the model after the epoch,
    /// by name. Absent is what was not finite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watched: BTreeMap<String, f64>,
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

    /// Adds what the metrics of an epoch do not say: the draws that validation judged by, and what
    /// was watched.
    pub fn complete(&self, epoch: usize, draws: usize, watched: Watched) {
        let mut rows = self.lock();
        let row = row(&mut rows, epoch);
        row.validation.draws = Some(draws);
        row.watched = watched;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, EpochRow>> {
        self.rows.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The epoch with the best validation score, robust before clean accuracy; of equals the first.
pub(crate) fn best(rows: &[EpochRow]) -> Option<usize> {
    let score = |row: &EpochRow| row.validation.robust.or(row.validation.clean);
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

fn field<'a>(row: &'a mut EpochRow, split: &Split, name: &str) -> Option<&'a mut Option<f64>> {
    let scores = match split {
        Split::Train => &mut row.train,
        _ => &mut row.validation,
    };
    match NAMES.iter().position(|known| *known == name)? {
        0 => Some(&mut scores.loss),
        1 => Some(&mut scores.clean),
        _ => Some(&mut scores.robust),
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
            if let Some(field) = field(row(&mut rows, epoch), split, name) {
                *field = value.is_finite().then_some(value);
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let value = self.lock().get_mut(&epoch).and_then(|row| *field(row, split, name)?);
        Ok(value.map(NumericEntry::Final).into_iter().collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name);
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}
