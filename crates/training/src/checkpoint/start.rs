//! The epoch that a run begins with.

use super::dir::{CheckpointDir, FORMAT};
use super::identity::same_run;
use crate::history::History;
use crate::{Schedule, TrainingError};
use serde_json::Value;
use std::collections::BTreeMap;

/// The epoch that a run begins after, and what is known of the epochs before.
pub(crate) struct Beginning {
    /// The last epoch with a checkpoint, for a run that goes on.
    pub resume: Option<usize>,
    pub history: History,
    /// The versions that trained the run, each by its first epoch.
    pub versions: BTreeMap<usize, String>,
}

impl Beginning {
    /// Looks for the last checkpoint, and whether `run` is the one that it is of.
    pub fn of(
        directory: &CheckpointDir,
        resume: bool,
        run: &Value,
        schedule: &Schedule,
    ) -> Result<Self, TrainingError> {
        let kept = directory.epochs()?;
        let version = env!("CARGO_PKG_VERSION").to_string();
        let Some(&epoch) = kept.last() else {
            let versions = BTreeMap::from([(1, version)]);
            return Ok(Self { resume: None, history: History::default(), versions });
        };
        if !resume {
            let run = directory.root.parent().unwrap_or(&directory.root);
            return Err(TrainingError::InUse(run.to_path_buf()));
        }
        let state = directory.resumable(epoch)?;
        let folder = directory.folder(epoch);
        if state.format != FORMAT {
            return Err(TrainingError::OldRun { path: folder, version: state.version });
        }
        same_run(&folder, epoch, &state.version, &state.run, run, schedule)?;
        let mut versions = state.versions;
        if state.version != version {
            versions.insert(epoch + 1, version);
        }
        let history = History::new(state.history);
        Ok(Self { resume: Some(epoch), history, versions })
    }
}
