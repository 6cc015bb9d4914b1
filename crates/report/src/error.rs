//! Errors of a report.

use cni_evaluation::EvaluationError;
use std::path::PathBuf;

/// An error of a report: it cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No records: there is nothing to report.
    #[error("records: got none, wanted at least one")]
    NoRecords,
    /// A record with parts that do not fit together.
    #[error("{model}: {field}: got {got}, wanted {wanted}")]
    Field {
        /// The name of the record's model.
        model: String,
        /// The field of the record.
        field: String,
        /// The value of the field.
        got: String,
        /// The possible values.
        wanted: String,
    },
    /// A file in the place of a training's page, which is none.
    #[error(
        "{path}: a file that no training has written, wanted a page of learning curves or none",
        path = .0.display()
    )]
    NotOurs(PathBuf),
    /// A record that cannot be read, or a file that cannot be written.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}
