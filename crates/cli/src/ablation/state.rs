//! The state of a run on disk.

use cni_burn::evaluation::write_whole;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The file of a run's state.
const FILE: &str = "ablation.json";

/// The state of a run, and the commands that it consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The arguments of the commands, without those that name places on disk.
    pub commands: Value,
    /// How far it is.
    pub phase: Phase,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has begun, and may be at work.
    Begun,
    /// It is trained and judged.
    Done,
    /// It came to no number.
    Failed {
        /// The reason, as the program said it.
        reason: String,
    },
}

impl State {
    /// The state of the run in a folder, if one has begun there.
    ///
    /// # Errors
    ///
    /// A sentence about a file that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let state = serde_json::from_str(&text);
        Ok(Some(state.map_err(|error| format!("{}: {error}", path.display()))?))
    }

    /// Writes the state: whole, or not at all.
    ///
    /// # Errors
    ///
    /// A sentence about a file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let path = folder.join(FILE);
        let text = serde_json::to_vec_pretty(self)?;
        Ok(write_whole(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?)
    }
}
