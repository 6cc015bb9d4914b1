//! The end of a launch of Burn's trainer before the last epoch.

use crate::EarlyStopping;
use crate::overfitting::Fall;
use burn::train::EarlyStoppingStrategy;
use burn::train::metric::store::EventStoreClient;
use std::sync::{Arc, Mutex, MutexGuard};

/// True if a launch ends before the last epoch, and why. Its clones share the reason.
#[derive(Clone)]
pub(super) struct End {
    pub early: Option<EarlyStopping>,
    why: Arc<Mutex<Why>>,
}

#[derive(Default)]
struct Why {
    reason: Option<String>,
    fell: Option<(usize, Fall)>,
}

impl End {
    /// The reason of early stopping.
    pub const EARLY: &str = "the validation score no longer rises";

    pub fn new(early: Option<EarlyStopping>) -> Self {
        Self { early, why: Arc::default() }
    }

    /// Ends the run after this epoch. The first reason is the one that counts.
    pub fn set(&self, reason: String) {
        self.lock().reason.get_or_insert(reason);
    }

    pub fn reason(&self) -> Option<String> {
        self.lock().reason.clone()
    }

    /// Ends the launch, so that the run goes back to the end of the epoch before.
    pub fn fall(&self, epoch: usize, fall: Fall) {
        self.lock().fell = Some((epoch, fall));
    }

    /// The epoch that the run goes back from, if it does, and the fall in it.
    pub fn fell(&self) -> Option<(usize, Fall)> {
        self.lock().fell
    }

    fn lock(&self) -> MutexGuard<'_, Why> {
        self.why.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl EarlyStoppingStrategy for End {
    fn should_stop(&mut self, _epoch: usize, _store: &EventStoreClient) -> bool {
        let why = self.lock();
        why.reason.is_some() || why.fell.is_some()
    }
}
