//! Progress of a run, for people.

use super::pace::{Pace, estimate};
use crate::Bar;
use crate::history::Scores;
use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId, MetricName, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The display of a run's progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// One line an epoch on standard error, within an epoch a [`Bar`](crate::Bar), and after the
    /// first steps the time that the run will take.
    #[default]
    Lines,
    /// Burn's terminal dashboard, which has an estimate of its own. Refused without the feature `tui`; without a terminal Burn prints
    /// every step.
    Dashboard,
    /// Nothing.
    Quiet,
}

/// The renderer of [`Progress::Lines`].
pub(crate) struct LineRenderer {
    names: HashMap<MetricId, MetricName>,
    scores: [Scores; 2],
    epochs: usize,
    epoch: usize,
    first: usize,
    bar: Bar,
    begin: Instant,
    /// The pace of the first epoch's steps, and the examples of an epoch while it trains.
    pace: Pace,
    items: Option<usize>,
    validates: bool,
}

impl LineRenderer {
    /// The renderer that shows a run, which may validate, by this bar.
    pub fn new(bar: Bar, validates: bool) -> Self {
        Self {
            names: HashMap::new(),
            scores: Default::default(),
            epochs: 0,
            epoch: 1,
            first: 1,
            bar,
            begin: Instant::now(),
            pace: Pace::default(),
            items: None,
            validates,
        }
    }

    /// Says how long the run will take, once the first steps have told it. From the second epoch on
    /// the line of each says it.
    fn pace(&mut self, done: usize) {
        let Some(items) = self.items.filter(|_| self.epoch == self.first) else { return };
        let Some(seconds) = self.pace.step(self.begin.elapsed(), done) else { return };
        let epochs = (self.epochs + 1).saturating_sub(self.epoch);
        let left = (epochs * items).saturating_sub(done);
        let beside = if self.validates { ", validation not counted" } else { "" };
        self.bar.print(&format!("{}{beside}", estimate(seconds * left as f64, epochs)));
    }

    fn keep(&mut self, split: usize, state: MetricState) {
        let MetricState::Numeric(entry, Some(NumericEntry::Final(value))) = state else {
            return;
        };
        if let Some(name) = self.names.get(&entry.metric_id) {
            self.scores[split].set(name, value);
        }
    }
}

/// Scores as `loss 1.2345  clean 45.1 %  robust 23.4 % (loss 1.9876)`, without those that were not
/// measured.
fn words(scores: &Scores) -> String {
    let percent = |name: &str, value: Option<f64>| {
        value.map(|value| format!("  {name} {:.1} %", 100.0 * value)).unwrap_or_default()
    };
    let loss = scores.loss.map_or("loss -".to_string(), |loss| format!("loss {loss:.4}"));
    let more = scores.more.iter().map(|(name, value)| format!("  {name} {value:.4}"));
    let robust = scores.robust_loss.map(|loss| format!(" (loss {loss:.4})")).unwrap_or_default();
    loss + &percent("clean", scores.clean)
        + &percent("robust", scores.robust)
        + &robust
        + &more.collect::<String>()
}

/// Formats a duration to its two largest units.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

impl TrainingProgressLogger for LineRenderer {
    fn start(&mut self, epochs: usize, first: usize, _items: Option<usize>, _label: Option<&str>) {
        (self.epochs, self.epoch, self.first, self.begin) = (epochs, first, first, Instant::now());
    }

    fn update_epoch(&mut self, epoch: usize) {
        let [train, validation] = self.scores.each_ref().map(words);
        let time = self.begin.elapsed();
        let done = (epoch + 1 - self.first) as u32;
        let left = time / done.max(1) * (self.epochs - epoch) as u32;
        let line = format!(
            "epoch {epoch}/{}  train: {train}  validation: {validation}  {} done, {} left",
            self.epochs,
            clock(time),
            clock(left)
        );
        self.bar.print(&line);
        (self.epoch, self.scores) = (epoch + 1, Default::default());
    }

    fn start_split(&mut self, split: &str, items: usize) {
        self.bar.start(format!("epoch {} {split}", self.epoch), items as u64);
        self.items = (split == "train").then_some(items);
    }

    fn update_split(&mut self, items: usize) {
        self.bar.show(items as u64, "");
        self.pace(items);
    }

    fn end_split(&mut self) {}

    fn end(&mut self) {
        self.bar.finish();
    }

    fn log_event_training(&mut self, _event: String) {}
}

impl MetricsRendererTraining for LineRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.keep(0, state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.keep(1, state);
    }

    fn on_train_end(
        &mut self,
        _summary: Option<LearnerSummary>,
    ) -> Result<(), Box<dyn core::error::Error>> {
        Ok(())
    }
}

impl EvaluationProgressLogger for LineRenderer {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _items: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl MetricsRendererEvaluation for LineRenderer {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl MetricsRenderer for LineRenderer {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name);
    }
}
