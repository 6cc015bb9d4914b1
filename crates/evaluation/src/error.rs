//! What an evaluation refuses.

use crate::StatisticsError;
use crate::record::schema::SCHEMA;
use cni_attacks::AttackError;
use std::path::PathBuf;

/// What an evaluation refuses.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Images, labels, logits or settings that do not fit together.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// Counts or a confidence that no statistic can be made of.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// There are too few samples: even if all of them agree, the answer is to abstain.
    #[error(
        "samples: got {got}, wanted at least {wanted} for alpha {alpha}: with fewer every answer is to abstain"
    )]
    Samples {
        /// The samples given.
        got: usize,
        /// The fewest samples that can decide.
        wanted: usize,
        /// The probability of error α that is allowed, between 0 and 1.
        alpha: f64,
    },
    /// No batch at all.
    #[error("data: got no examples, wanted at least one")]
    NoData,
    /// Two attacks of equal settings.
    #[error("suite: got {0:?} twice with equal settings, wanted every attack once")]
    DuplicateAttack(String),
    /// An audit of an attack whose number is not reported.
    #[error(
        "audit: got {attack}, wanted one of the suite's attacks with all its settings, draws too for a noisy model: {suite}"
    )]
    Audit {
        /// The attack to audit.
        attack: String,
        /// The attacks of the suite.
        suite: String,
    },
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
    /// A state on disk of another run, which is unfinished.
    #[error("{path}: {setting}: got {here}, wanted {there} as of the {of} in this folder; finish that one, or remove the folder to begin anew", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// In what they differ.
        setting: String,
        /// What the evaluation on disk has.
        there: String,
        /// What this one has.
        here: String,
        /// What kind of run the state is of.
        of: String,
    },
    /// A state on disk of an unfinished run that another version of the library wrote.
    #[error("{path}: layout: got {got}, wanted {wanted}; finish the run with the version of the library that began it, or remove the folder to begin anew", path = path.display())]
    StateLayout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        got: u32,
        /// The layout of this version.
        wanted: u32,
    },
    /// A batch that could not be had.
    #[error("batch from example {first}: {source}")]
    Batch {
        /// The number of its first example.
        first: usize,
        /// What the source of the batches said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A radius that is given twice.
    #[error("epsilons: got {0} twice, wanted every radius once")]
    RepeatedEpsilon(f64),
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
    /// A file whose content is not what was written: a bit has changed, or a program other than
    /// this library wrote it.
    #[error("{path}: got the SHA-256 {got}, wanted {wanted} as of manifest.json", path = path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its checksum.
        got: String,
        /// The checksum that was written down with it.
        wanted: String,
    },
    /// A part of a record that cannot be.
    #[error("{field}: got {got}, wanted {wanted}")]
    Field {
        /// The part.
        field: String,
        /// What it is.
        got: String,
        /// What would be possible.
        wanted: String,
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
