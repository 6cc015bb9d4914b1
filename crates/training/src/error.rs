//! What a training run refuses, and how it can end early.

use crate::data::DataError;
use std::path::{Path, PathBuf};

/// Why a run did not start or did not finish. Checkpoints that were complete stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting out of its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A fresh run into a folder that holds the checkpoints of another.
    #[error("{path}: holds checkpoints already, wanted an empty folder or a run that resumes", path = .0.display())]
    InUse(PathBuf),
    /// A run that resumes another than its own.
    #[error("{path}: belongs to another run; different: {different}", path = path.display())]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// The settings that differ, with both values.
        different: String,
    },
    /// A checkpoint that cannot be read, or none where one was asked for.
    #[error("{path}: {reason}", path = path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run was stopped because going on made no sense or was not possible.
    #[error("{reason}; the last complete checkpoint is {}", last.map_or("none".to_string(), |epoch| format!("epoch {epoch}")))]
    Stopped {
        /// A loss that is not finite, an attack that failed, a checkpoint that could not be written.
        reason: String,
        /// The last epoch that has a complete checkpoint.
        last: Option<usize>,
    },
}

impl TrainingError {
    pub(crate) fn checkpoint(path: &Path, reason: impl ToString) -> Self {
        Self::Checkpoint { path: path.to_path_buf(), reason: reason.to_string() }
    }

    pub(crate) fn setting(field: &'static str, got: impl ToString, wanted: &'static str) -> Self {
        Self::Setting { field, got: got.to_string(), wanted }
    }
}
