//! Where a run begins.

use crate::history::History;
use crate::identity::same_run;
use crate::shelf::Shelf;
use crate::{Schedule, TrainingError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a run begins or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the first epoch, into a folder without checkpoints.
    Fresh,
    /// From the last checkpoint of the same run; from the first epoch where there is none yet.
    Resume,
}

/// The epoch that a run begins after, and what is known of the epochs before.
pub(crate) struct Beginning {
    /// The last epoch with a checkpoint, for a run that goes on.
    pub resume: Option<usize>,
    /// The epochs with a checkpoint.
    pub kept: BTreeSet<usize>,
    pub history: History,
    /// The versions that trained the run, each by its first epoch.
    pub versions: BTreeMap<usize, String>,
}

impl Beginning {
    /// Looks for the last checkpoint, and whether `run` is the one that it is of.
    pub fn of(
        shelf: &Shelf,
        start: Start,
        run: &Value,
        schedule: &Schedule,
    ) -> Result<Self, TrainingError> {
        let kept = shelf.epochs()?;
        let version = env!("CARGO_PKG_VERSION").to_string();
        let Some(&epoch) = kept.last() else {
            let versions = BTreeMap::from([(1, version)]);
            return Ok(Self { resume: None, kept, history: History::default(), versions });
        };
        if start == Start::Fresh {
            let run = shelf.root.parent().unwrap_or(&shelf.root);
            return Err(TrainingError::InUse(run.to_path_buf()));
        }
        let state = shelf.resumable(epoch)?;
        let folder = shelf.folder(epoch);
        same_run(&folder, epoch, &state.version, &state.run, run, schedule)?;
        let mut versions = state.versions;
        if state.version != version {
            versions.insert(epoch + 1, version);
        }
        let history = History::new(state.history);
        Ok(Self { resume: Some(epoch), kept, history, versions })
    }
}
