//! The end of an epoch: what is recorded, and whether the run goes on.

use super::context::RunState;
use crate::EarlyStopping;
use crate::checkpoint::{CommitBarrier, OwnRecords, averaged};
use crate::history::{EpochRow, History, Watched};
use burn::module::{Module, ModuleDisplay};
use burn::train::EarlyStoppingStrategy;
use burn::train::metric::store::EventStoreClient;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};

/// An epoch that has ended, as callbacks see it.
pub struct EndOfEpoch<'a, N> {
    /// The scores of the epoch.
    pub row: &'a EpochRow,
    /// All epochs so far, this one included.
    pub history: &'a [EpochRow],
    /// The model after the epoch, as at inference: the one that validation judged.
    pub model: &'a N,
}

/// Reads numbers off a model.
pub(super) type Read<N> = Arc<dyn Fn(&N) -> Watched + Send + Sync>;

/// A function that is called after each epoch. `Break` ends the run.
pub(super) type Callback<N> = Arc<dyn Fn(&EndOfEpoch<'_, N>) -> ControlFlow<String> + Send + Sync>;

/// The work after each epoch, before its checkpoint is written.
pub(super) struct Epilogue<N> {
    pub state: Arc<RunState<N>>,
    pub history: History,
    pub barrier: Arc<CommitBarrier>,
    /// Draws that validation judges each example by; `None` without validation.
    pub draws: Option<usize>,
    pub watch: Option<Read<N>>,
    pub callbacks: Vec<Callback<N>>,
    pub end: End,
}

impl<N: Module + ModuleDisplay> Epilogue<N> {
    pub fn run(&self, epoch: usize) {
        let Some(model) = self.state.take_judged() else { return };
        let watched = self.watch.as_ref().map(|read| read(&model)).unwrap_or_default();
        let watched = watched.into_iter().filter(|(_, value)| value.is_finite()).collect();
        self.history.complete(epoch, self.draws, watched);
        let rules = self.state.states().to_bytes();
        let average = self.state.average().map(averaged);
        self.barrier.attach(epoch, OwnRecords { average, rules });
        let rows = self.history.up_to(epoch);
        let Some(row) = rows.last() else { return };
        let ended = EndOfEpoch { row, history: &rows, model: &model };
        for callback in &self.callbacks {
            if let ControlFlow::Break(reason) = callback(&ended) {
                self.end.set(reason);
            }
        }
        if self.end.early.is_some_and(|early| early.ends(&rows)) {
            self.end.set(End::EARLY.to_string());
        }
    }
}

/// True if a run ends before its last epoch, and why. Its clones share the reason.
#[derive(Clone)]
pub(super) struct End {
    pub early: Option<EarlyStopping>,
    reason: Arc<Mutex<Option<String>>>,
}

impl End {
    /// The reason of early stopping.
    pub const EARLY: &str = "the validation score no longer rises";

    pub fn new(early: Option<EarlyStopping>) -> Self {
        Self { early, reason: Arc::default() }
    }

    /// Ends the run after this epoch. The first reason is the one that counts.
    pub fn set(&self, reason: String) {
        self.lock().get_or_insert(reason);
    }

    pub fn reason(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.reason.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl EarlyStoppingStrategy for End {
    fn should_stop(&mut self, _epoch: usize, _store: &EventStoreClient) -> bool {
        self.lock().is_some()
    }
}
