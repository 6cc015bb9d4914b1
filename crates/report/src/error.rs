//! What a report refuses.

use cni_evaluation::EvaluationError;

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nothing to report.
    #[error("records: got none, wanted at least one")]
    NoRecords,
    /// A record whose parts do not fit together.
    #[error("{model}: {field}: got {got}, wanted {wanted}")]
    Field {
        /// The name of its model.
        model: String,
        /// The part.
        field: String,
        /// What it is.
        got: String,
        /// What would fit.
        wanted: String,
    },
    /// A record that cannot be read, or a file that cannot be written.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}
