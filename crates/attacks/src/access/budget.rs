//! What limits an attack, and what watches it.

use crate::Passes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an attack may spend. Without a limit it runs its course.
///
/// An attack whose budget is spent ends after the iteration that spent it, with the best that it
/// has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// Forward passes of each example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwards: Option<u64>,
    /// Backward passes of each example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backwards: Option<u64>,
    /// Time for all examples together. What it cuts off depends on the machine, and so does the
    /// result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
}

/// Where an attack is.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The attack's name.
    pub attack: &'a str,
    /// The first example of the chunk under attack.
    pub first_example: u64,
    /// The iteration that has ended, from 1.
    pub iteration: usize,
    /// Examples still under attack in this chunk.
    pub active: usize,
    /// Passes of single images so far.
    pub passes: Passes,
}

/// One example in one iteration of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// The example's number.
    pub example: u64,
    /// The iteration, from 1, counted over all restarts and targets.
    pub iteration: usize,
    /// The score of what the attack climbs.
    pub score: f64,
    /// The distance of the image from the original in the threat's norm.
    pub distance: f64,
}

/// What watches an attack.
#[derive(Default)]
pub(crate) struct Observers<'a> {
    pub progress: Option<&'a mut dyn FnMut(&Progress)>,
    pub trace: Option<&'a mut Vec<TracePoint>>,
}

impl Observers<'_> {
    /// The same observers, for a shorter time.
    pub fn reborrow(&mut self) -> Observers<'_> {
        Observers {
            progress: match &mut self.progress {
                Some(progress) => Some(&mut **progress),
                None => None,
            },
            trace: self.trace.as_deref_mut(),
        }
    }
}
