//! The signal that stops a run.

use crate::StopReason;
use burn::train::Interrupter;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// Stops a run and remembers why. Its clones share the reason.
///
/// Burn's interrupter alone is not enough: its terminal dashboard forgets the reason when it
/// closes, and it keeps no more than a text.
#[derive(Clone, Default)]
pub(crate) struct StopSignal {
    pub interrupter: Interrupter,
    why: Arc<Mutex<Option<StopReason>>>,
}

impl StopSignal {
    /// Asks the run to stop. The first reason is the one that counts.
    pub fn raise(&self, why: StopReason) {
        self.interrupter.stop(Some(&why.to_string()));
        self.lock().get_or_insert(why);
    }

    /// Stops the run where `value` is not finite.
    pub fn unless_finite(&self, what: &str, value: f64) {
        if !value.is_finite() {
            self.raise(StopReason::NotFinite { what: what.to_string(), value });
        }
    }

    pub fn is_raised(&self) -> bool {
        self.lock().is_some()
    }

    /// The reason, for the one who reports it.
    pub fn take(&self) -> Option<StopReason> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<StopReason>> {
        self.why.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StopSignal({:?})", *self.lock())
    }
}
