//! Errors of an evaluation.

use crate::record::schema::SCHEMA;
use crate::{ShardError, StatisticsError};
use cni_attacks::AttackError;
use cni_ops::SpectrumError;
use std::path::PathBuf;

/// An error of an evaluation: input or settings that do not fit, or a file that cannot be used.
///
/// Every message names the field, the value that was got and the value that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Images, labels, logits or settings that do not fit together.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// Counts or a confidence for which no statistic exists.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// Shards that are refused, or that cannot be merged.
    #[error(transparent)]
    Shard(Box<ShardError>),
    /// Perturbations without a spectrum.
    #[error(transparent)]
    Spectrum(#[from] SpectrumError),
    /// There are too few samples: even if all of them agree, the answer is to abstain.
    #[error(
        "samples: got {got}, wanted at least {wanted} for alpha {alpha}: with fewer every answer \
         is to abstain"
    )]
    Samples {
        /// The samples given.
        got: usize,
        /// The fewest samples that can decide.
        wanted: usize,
        /// The probability of error α that is allowed, between 0 and 1.
        alpha: f64,
    },
    /// No examples: there was no batch.
    #[error("data: got no examples, wanted at least one")]
    NoData,
    /// Two attacks of the suite with equal settings.
    #[error("suite: got {0:?} twice with equal settings, wanted every attack once")]
    DuplicateAttack(String),
    /// An audited attack that is not in the suite, so that its accuracy is not in the record.
    #[error(
        "audit: got {attack}, wanted one of the suite's attacks with all its settings, draws too \
         for a noisy model: {suite}"
    )]
    Audit {
        /// The attack to audit.
        attack: String,
        /// The attacks of the suite, by their names.
        suite: String,
    },
    /// A name that no check has.
    #[error("check: got {got:?}, wanted one of {known}")]
    UnknownCheck {
        /// The name given.
        got: String,
        /// The names of all checks.
        known: String,
    },
    /// More votes or tries than there are draws.
    #[error("{field}: got {got}, wanted at most the {draws} draws")]
    Draws {
        /// The setting: `votes` or `tries`.
        field: &'static str,
        /// The value of the setting.
        got: usize,
        /// The number of draws.
        draws: usize,
    },
    /// A state folder that belongs to another run, which is unfinished.
    #[error(
        "{path}: {setting}: got {here}, wanted {there} as of the {of} in this folder; finish that \
         one, or remove the folder to begin anew",
        path = path.display()
    )]
    State {
        /// The file in the state folder.
        path: PathBuf,
        /// The setting in which the two runs differ.
        setting: String,
        /// The value of the run on disk.
        there: String,
        /// The value of this run.
        here: String,
        /// The kind of the run on disk, such as `audit`.
        of: String,
    },
    /// A state folder of an unfinished run that another version of the library wrote.
    #[error(
        "{path}: layout: got {got}, wanted {wanted}; finish the run with the version of the \
         library that began it, or remove the folder to begin anew",
        path = path.display()
    )]
    StateLayout {
        /// The file.
        path: PathBuf,
        /// The version of its layout.
        got: u32,
        /// The version that this library writes.
        wanted: u32,
    },
    /// A batch that its source could not provide.
    #[error("batch from example {first}: {source}")]
    Batch {
        /// The number of the first example of the batch.
        first: usize,
        /// The error of the source.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A radius that was given twice.
    #[error("epsilons: got {0} twice, wanted every radius once")]
    RepeatedEpsilon(f64),
    /// A file that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A record whose layout is newer than this version of the library.
    #[error(
        "{path}: schema: got {got}, wanted 1 to {SCHEMA}; a later version of the library reads it",
        path = path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version of its layout.
        got: u32,
    },
    /// A file that is not a record, or that holds only part of one.
    #[error(
        "{path}{at}: {reason}",
        path = path.display(),
        at = line.map_or(String::new(), |line| format!(":{line}"))
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: Option<usize>,
        /// The reason.
        reason: String,
    },
    /// A file whose content is not what was written: a bit has changed, or a program other than
    /// this library wrote it.
    #[error(
        "{path}: got the SHA-256 {got}, wanted {wanted} as of manifest.json",
        path = path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The SHA-256 of the file as it is now.
        got: String,
        /// The SHA-256 that the manifest lists.
        wanted: String,
    },
    /// A field of a record with an impossible value.
    #[error("{field}: got {got}, wanted {wanted}")]
    Field {
        /// The field.
        field: String,
        /// The value of the field.
        got: String,
        /// The possible values.
        wanted: String,
    },
    /// Two records that cannot be compared.
    #[error("{field}: got {a} and {b}, wanted records of equal {field}")]
    Differs {
        /// The field in which the records differ.
        field: &'static str,
        /// The value in the first record.
        a: String,
        /// The value in the second record.
        b: String,
    },
}

impl From<ShardError> for EvaluationError {
    fn from(error: ShardError) -> Self {
        Self::Shard(Box::new(error))
    }
}
