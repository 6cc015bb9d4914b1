//! Where an evaluation is.

use crate::Progress;
use crate::checkup::CheckProgress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// In which state the noise of a model is attacked and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseState {
    /// As it is deployed: a new draw for every query.
    Live,
    /// Switched off.
    Off,
    /// One draw, held.
    Fixed,
}

impl fmt::Display for NoiseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Off => "off",
            Self::Fixed => "fixed",
        })
    }
}

/// Where an evaluation is.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// An attack has ended an iteration.
    Attack {
        /// Examples that are done with.
        examples: usize,
        /// The state of the noise for the batch under attack.
        noise: NoiseState,
        /// The name of the attack in the record.
        label: &'a str,
        /// Where the attack is.
        attack: Progress<'a>,
    },
    /// The audit begins a check, or has ended one.
    Check(CheckProgress<'a>),
}
