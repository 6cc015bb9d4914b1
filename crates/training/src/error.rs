//! Errors of a training run, and the reasons for which it can end early. One file, because they are
//! one vocabulary.

use burn::train::checkpoint::CheckpointerError;
use cni_attacks::AttackError;
use cni_data::DataError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a run did not start or did not finish. Checkpoints that were complete stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting out of its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Setting {
        /// The setting, such as `decay`, or `average ema: decay` of a rule.
        field: String,
        /// Its value.
        got: String,
        /// The values that it may have.
        wanted: String,
    },
    /// A fresh run into a folder that holds the checkpoints of another.
    #[error(
        "{path}: holds checkpoints already, wanted an empty folder or a run that resumes",
        path = .0.display()
    )]
    InUse(PathBuf),
    /// A file in a folder without checkpoints, where a run would write one of its own.
    #[error(
        "{path}: a file that no run of this folder has written, wanted a folder without it",
        path = .0.display()
    )]
    NotOurs(PathBuf),
    /// A folder in which another process trains right now.
    #[error(
        "{path}: another run is at work in this folder, wanted one at a time",
        path = .0.display()
    )]
    Locked(PathBuf),
    /// A run of an older version, which describes its runs otherwise.
    #[error(
        "{path}: was begun by version {version} of this crate, which describes its runs otherwise: \
         finish the run with that version, or begin a new one in another folder; load_checkpoint \
         still reads the weights",
        path = path.display()
    )]
    OldRun {
        /// The checkpoint.
        path: PathBuf,
        /// The version that wrote it.
        version: String,
    },
    /// A run that resumes another than its own.
    #[error("{path}: belongs to another run; different: {different}", path = path.display())]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// The settings that differ, with both values.
        different: String,
    },
    /// A checkpoint that cannot be read or written, or none where one was asked for.
    #[error("{path}: {fault}", path = path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// The fault.
        fault: CheckpointFault,
    },
    /// A damaged checkpoint that a run was to go on from.
    #[error("{path}: {fault}; {}", way_on(path, before.as_deref()), path = path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// The fault.
        fault: CheckpointFault,
        /// The folder of the checkpoint before it.
        before: Option<PathBuf>,
    },
    /// The run was stopped because going on made no sense or was not possible.
    #[error(
        "{reason}; the last complete checkpoint is {}",
        last.map_or("none".to_string(), |epoch| format!("epoch {epoch}"))
    )]
    Stopped {
        /// Why.
        reason: StopReason,
        /// The last epoch that has a complete checkpoint.
        last: Option<usize>,
    },
}

/// The fault of a file or folder of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFault {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(std::io::Error),
    /// Its text is no state of a run.
    #[error("{0}")]
    State(serde_json::Error),
    /// Burn cannot read or write the record, or the record is one of another model.
    #[error("{0}")]
    Record(CheckpointerError),
    /// It holds the weights of another model.
    #[error("holds the weights of another model; different: {0}")]
    Model(String),
    /// It changed since it was written.
    #[error("damaged: its SHA-256 is {got}, wanted {wanted}")]
    Checksum {
        /// The checksum of the file as it is.
        got: String,
        /// The checksum of the file as it was written.
        wanted: String,
    },
    /// There is no such checkpoint.
    #[error("{0}")]
    Absent(String),
    /// A configuration in it cannot be read back, or is not there.
    #[error("{what}: {reason}")]
    Config {
        /// The configuration.
        what: &'static str,
        /// The fault.
        reason: String,
    },
    /// The model could not be built from its configuration.
    #[error("the model cannot be built from its configuration: {0}")]
    Build(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a run stopped before its last epoch.
#[derive(Debug, thiserror::Error)]
pub enum StopReason {
    /// An attack failed.
    #[error("{0}")]
    Attack(AttackError),
    /// A custom objective or rule failed, or broke its contract.
    #[error("{0}")]
    Step(StepError),
    /// A number is NaN or infinite.
    #[error("{what} is {value}")]
    NotFinite {
        /// The number's name, such as `loss`.
        what: String,
        /// Its value.
        value: f64,
    },
    /// A checkpoint could not be written.
    #[error("the checkpoint of epoch {epoch} failed: {source}")]
    Checkpoint {
        /// The epoch.
        epoch: usize,
        /// The reason.
        source: CheckpointerError,
    },
    /// Burn's trainer failed.
    #[error("{0}")]
    Burn(Arc<burn::train::TrainingError>),
    /// Burn's trainer was told to stop, such as from its dashboard.
    #[error("stopped: {0}")]
    Interrupted(String),
}

/// Why a training step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// An attack failed.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// An objective or rule returned something else than its contract says.
    #[error("{of}: {what}: got {got}, wanted {wanted}")]
    Contract {
        /// The objective or rule, such as `objective label_smoothing`.
        of: String,
        /// The value, such as `loss` or `gradient of hidden.weight`.
        what: String,
        /// The value that was returned.
        got: String,
        /// The value that was wanted.
        wanted: String,
    },
    /// A custom objective or rule reports an error of its own.
    #[error(transparent)]
    Custom(Box<dyn std::error::Error + Send + Sync>),
}

impl StepError {
    /// An error of a custom objective or rule.
    pub fn custom(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Custom(error.into())
    }

    pub(crate) fn contract(
        of: &str,
        what: impl ToString,
        got: impl ToString,
        wanted: impl ToString,
    ) -> Self {
        let (what, got, wanted) = (what.to_string(), got.to_string(), wanted.to_string());
        Self::Contract { of: of.to_string(), what, got, wanted }
    }
}

impl From<StepError> for StopReason {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Attack(error) => Self::Attack(error),
            error => Self::Step(error),
        }
    }
}

/// The way to go on without the checkpoint that a damaged file is of.
fn way_on(path: &Path, before: Option<&Path>) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match before {
        Some(before) => format!(
            "the checkpoint before it is {}: move {folder} away and resume to go on from there",
            before.display()
        ),
        None => format!("there is none before it: move {folder} away to begin again"),
    }
}

impl TrainingError {
    pub(crate) fn checkpoint(path: &Path, fault: CheckpointFault) -> Self {
        Self::Checkpoint { path: path.to_path_buf(), fault }
    }

    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        Self::checkpoint(path, CheckpointFault::Io(error))
    }

    pub(crate) fn config(path: &Path, what: &'static str, reason: impl ToString) -> Self {
        let reason = reason.to_string();
        Self::checkpoint(path, CheckpointFault::Config { what, reason })
    }

    pub(crate) fn absent(path: &Path, what: impl ToString) -> Self {
        Self::checkpoint(path, CheckpointFault::Absent(what.to_string()))
    }

    /// An error for a setting, also of a custom rule.
    pub fn setting(field: impl ToString, got: impl ToString, wanted: impl ToString) -> Self {
        let (field, got, wanted) = (field.to_string(), got.to_string(), wanted.to_string());
        Self::Setting { field, got, wanted }
    }

    /// The error, which names the rule that a setting is of.
    pub(crate) fn of(self, rule: impl FnOnce() -> String) -> Self {
        match self {
            Self::Setting { field, got, wanted } => {
                Self::Setting { field: format!("{}: {field}", rule()), got, wanted }
            }
            other => other,
        }
    }
}
