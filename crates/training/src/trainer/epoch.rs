//! The end of an epoch: what is recorded, and whether the run goes on.

use super::context::{Context, Ended, RunState};
use super::end::End;
use super::model::TrainableModel;
use super::notices::Notices;
use super::setup::write_history;
use crate::checkpoint::{CommitBarrier, OwnRecords, averaged};
use crate::history::{EpochRow, History, Watched};
use crate::overfitting::stays_at_chance;
use crate::overfitting::{Consequence, Fall, Overfitting, OverfittingWatch, Sizes};
use burn::module::{Module, ModuleDisplay};
use cni_data::Batch;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

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
    pub overfitting: Option<Watcher<N>>,
    pub callbacks: Vec<Callback<N>>,
    /// The folder of the run.
    pub folder: PathBuf,
    pub sizes: Sizes,
    /// The number of epochs that the run is to have.
    pub epochs: usize,
    pub notices: Notices,
    pub end: End,
}

/// The watch for catastrophic overfitting at work.
pub(super) struct Watcher<N> {
    pub watch: OverfittingWatch,
    pub context: Context<N>,
    pub batch: Batch,
    /// The fall that this launch went back from, and the epoch of it.
    pub fell: Option<(usize, Fall)>,
}

impl<N: Module + ModuleDisplay + 'static> Epilogue<N> {
    /// True if the epoch counts and is to be saved.
    pub fn run(&self, epoch: usize) -> bool {
        let Some(Ended { trained, judged: model }) = self.state.take_ended() else { return true };
        let watched = self.watch.as_ref().map(|read| read(&model)).unwrap_or_default();
        let watched = watched.into_iter().filter(|(_, value)| value.is_finite()).collect();
        let seen = self.overfitting.as_ref().map(|watcher| watcher.see(epoch, trained));
        let Ok(seen) = seen.transpose() else {
            self.end.set("an attack failed".to_string());
            return false;
        };
        self.history.complete(epoch, self.draws, watched, seen);
        let rows = self.history.up_to(epoch);
        let Some(row) = rows.last() else { return true };
        let watch = self.overfitting.as_ref().map(|watcher| &watcher.watch);
        match watch.and_then(|watch| watch.after(&rows)) {
            Some(Consequence::FallsBack(fall)) => {
                self.end.fall(epoch, fall);
                return false;
            }
            Some(Consequence::Ends(reason)) => self.end.set(reason),
            None => {}
        }
        let rules = self.state.states().to_bytes();
        let average = self.state.average().map(averaged);
        self.barrier.attach(epoch, OwnRecords { average, rules });
        // Written once more after the next epoch and at the end of the run, which reports an error.
        let _ = write_history(&self.folder, &rows);
        let ended = EndOfEpoch { row, history: &rows, model: &model };
        for callback in &self.callbacks {
            if let ControlFlow::Break(reason) = callback(&ended) {
                self.end.set(reason);
            }
        }
        if self.end.early.is_some_and(|early| early.ends(&rows)) {
            self.end.set(End::EARLY.to_string());
        }
        let ends = epoch == self.epochs || self.end.reason().is_some();
        if let Some(warning) = stays_at_chance(&rows, self.sizes, ends) {
            self.notices.say(warning);
        }
        true
    }
}

impl<N: Module + ModuleDisplay + 'static> Watcher<N> {
    /// The finding after an epoch. An error stops the run.
    fn see(&self, epoch: usize, net: N) -> Result<Overfitting, ()> {
        let model = TrainableModel { net, context: self.context.clone() };
        match model.accuracy(&model.net, &self.batch, self.watch.attack.as_ref()) {
            Ok(robust) => {
                let fell = self.fell.filter(|(of, _)| *of == epoch).map(|(_, fall)| fall);
                Ok(Overfitting { robust, fell })
            }
            Err(error) => {
                self.context.signal.raise(error.into());
                Err(())
            }
        }
    }
}
