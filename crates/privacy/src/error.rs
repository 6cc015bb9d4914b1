//! Errors of privacy. One file, because they are one vocabulary.

use std::path::PathBuf;

/// An error of privacy: a value out of range, a target that no noise reaches, a training that
/// cannot be private, or a file that cannot be read or written.
///
/// Every message names the field, the value that was got and the value that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// A number out of its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Value {
        /// The field.
        field: &'static str,
        /// The value given.
        got: f64,
        /// The values allowed.
        wanted: &'static str,
    },
    /// A count out of its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Count {
        /// The field.
        field: &'static str,
        /// The count given.
        got: u64,
        /// The counts allowed.
        wanted: String,
    },
    /// A delta of one over the number of examples, or more.
    #[error("delta: got {got}, wanted a number below one over the {examples} examples")]
    Delta {
        /// The delta given.
        got: f64,
        /// The number of examples.
        examples: u64,
    },
    /// An order that the list of Rényi orders cannot hold at its place.
    #[error("orders[{index}]: got {got}, wanted {wanted}")]
    Order {
        /// The place in the list, from 0.
        index: usize,
        /// The order given.
        got: f64,
        /// The orders allowed.
        wanted: &'static str,
    },
    /// A list of Rényi orders without an order.
    #[error("orders: got an empty list, wanted at least one order above 1")]
    NoOrders,
    /// A target epsilon that no setting within the limits of the search reaches.
    #[error("epsilon: got {got}, wanted {wanted}")]
    Target {
        /// The target given.
        got: f64,
        /// The targets that can be reached.
        wanted: String,
    },
    /// An epsilon that is infinite or cannot be computed: there is hardly any noise.
    #[error("epsilon: got {got} from {accountant}, wanted a finite number; raise noise_multiplier")]
    Unbounded {
        /// The accountant, by its name.
        accountant: &'static str,
        /// The epsilon computed.
        got: f64,
    },
    /// A privacy loss that needs more points than the accountant holds in memory.
    #[error(
        "points: got {got:.3e}, wanted at most {wanted}; raise epsilon_error or noise_multiplier"
    )]
    Points {
        /// The points needed.
        got: f64,
        /// The most points allowed.
        wanted: usize,
    },
    /// A computation that double precision cannot do within the error stated.
    #[error(
        "delta_error: got {got:e}, wanted at least {wanted:e}, which double precision reaches; \
         raise delta_error_share"
    )]
    Precision {
        /// The error of delta that was asked for.
        got: f64,
        /// The error of delta that was reached.
        wanted: f64,
    },
    /// A ledger of a version that this library does not know.
    #[error("version: got {got}, wanted {wanted}")]
    Version {
        /// The version of the ledger.
        got: u32,
        /// The version that this library writes and reads.
        wanted: u32,
    },
    /// A file that could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: std::io::Error,
    },
    /// A file that holds something else.
    #[error("{path}: wanted {wanted}: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A ledger that is not that of its run.
    #[cfg(feature = "training")]
    #[error("{path}: got {got}, wanted {wanted}", path = path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What it holds.
        got: String,
        /// What it should hold.
        wanted: String,
    },
    /// A setting out of its range, or one that a private training cannot have.
    #[cfg(feature = "training")]
    #[error("{field}: got {got}, wanted {wanted}")]
    Setting {
        /// The setting.
        field: String,
        /// Its value.
        got: String,
        /// The values that it may have.
        wanted: String,
    },
    /// An operating system that gives no random numbers.
    #[cfg(feature = "training")]
    #[error("randomness: got system, wanted an operating system with random numbers: {reason}")]
    Randomness {
        /// What the system says.
        reason: String,
    },
    /// A training that was refused or that stopped.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Training(#[from] cni_training::TrainingError),
    /// Images that cannot be read.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Data(#[from] cni_data::DataError),
    /// A statistic that cannot be computed.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Statistics(#[from] cni_evaluation::StatisticsError),
}

#[cfg(feature = "training")]
impl PrivacyError {
    /// An error for a setting.
    pub(crate) fn setting(field: impl ToString, got: impl ToString, wanted: impl ToString) -> Self {
        let (field, got, wanted) = (field.to_string(), got.to_string(), wanted.to_string());
        Self::Setting { field, got, wanted }
    }
}

/// Returns `got`, or an error if it is not finite or outside the range that `holds` describes.
pub(crate) fn within(
    field: &'static str,
    got: f64,
    holds: impl FnOnce(f64) -> bool,
    wanted: &'static str,
) -> Result<f64, PrivacyError> {
    match got.is_finite() && holds(got) {
        true => Ok(got),
        false => Err(PrivacyError::Value { field, got, wanted }),
    }
}

/// Returns `delta`, or an error if it is not between 0 and 1.
pub(crate) fn checked_delta(delta: f64) -> Result<f64, PrivacyError> {
    within("delta", delta, |d| d > 0.0 && d < 1.0, "a number between 0 and 1, ends excluded")
}

/// Returns `epsilon`, or an error if it is not finite and above 0.
pub(crate) fn checked_epsilon(epsilon: f64) -> Result<f64, PrivacyError> {
    within("epsilon", epsilon, |e| e > 0.0, "a finite number above 0")
}

/// Returns `steps`, or an error if there is none.
pub(crate) fn checked_steps(steps: u64) -> Result<u64, PrivacyError> {
    match steps {
        0 => Err(PrivacyError::Count { field: "steps", got: 0, wanted: "at least 1".into() }),
        steps => Ok(steps),
    }
}
