//! What an evaluation refuses.

use super::SCHEMA;
use crate::AttackError;
use std::path::PathBuf;

/// What an evaluation refuses.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Images, labels, logits or settings that do not fit together.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// No batch at all.
    #[error("data: got no examples, wanted at least one")]
    NoData,
    /// Two attacks that no table could tell apart.
    #[error("suite: got two attacks named {0:?}, wanted every name once")]
    DuplicateName(String),
    /// A confidence that is none.
    #[error("confidence: got {0}, wanted a number between 0 and 1")]
    Confidence(f64),
    /// A check that there is not.
    #[error("check: got {got:?}, wanted one of {known}")]
    UnknownCheck {
        /// The name given.
        got: String,
        /// All names.
        known: String,
    },
    /// More votes or tries than there are draws to take them from.
    #[error("{field}: got {got}, wanted at most the {draws} draws")]
    Draws {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: usize,
        /// The draws.
        draws: usize,
    },
    /// A state on disk of another evaluation.
    #[error("{path}: got the state of another suite, key, model or data, wanted that of this one; remove the folder to begin anew", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A record of a layout that this version of the library does not know.
    #[error("{path}: schema: got {got}, wanted 1 to {SCHEMA}; a later version of the library reads it", path = path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u32,
    },
    /// A file that is no record, or not all of one.
    #[error("{path}{at}: {reason}", path = path.display(), at = line.map_or(String::new(), |line| format!(":{line}")))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// Two records that cannot be compared.
    #[error("{field}: got {a} and {b}, wanted records of equal {field}")]
    Differs {
        /// In what they differ.
        field: &'static str,
        /// In the first.
        a: String,
        /// In the second.
        b: String,
    },
}
