//! The limits of an attack, and its observers.

use crate::Passes;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The passes and the time that an attack may spend; `None` sets no limit.
///
/// An attack ends after the iteration that spends its budget, and returns its best images so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// Forward passes of each example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwards: Option<u64>,
    /// Backward passes of each example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backwards: Option<u64>,
    /// Time for all examples together. The machine decides at which iteration it ends an attack,
    /// and so the result depends on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
}

/// The progress of an attack.
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
    /// The images to which the iteration has moved these examples, `[active, channels, height,
    /// width]`. A random search gives its last candidates, and its best images if it keeps a trace.
    pub images: &'a Tensor<4>,
}

/// One example in one iteration of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// The example's number.
    pub example: u64,
    /// The iteration, from 1, counted over all restarts and targets.
    pub iteration: usize,
    /// The score that the attack raises.
    pub score: f64,
    /// The distance of the image from the original in the threat's norm.
    pub distance: f64,
}

/// The observers of an attack.
#[derive(Default)]
pub(crate) struct Observers<'a> {
    pub progress: Option<&'a mut dyn FnMut(&Progress)>,
    pub trace: Option<&'a mut Vec<TracePoint>>,
}

impl Observers<'_> {
    /// The same observers with a shorter lifetime.
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
