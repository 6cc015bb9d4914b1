//! Errors of registration.

use std::path::PathBuf;

/// An error of registration: a setting out of its range, tensors that do not fit together, a field
/// that has no inverse, a body that cannot be solved, or a checkpoint that cannot be used.
///
/// Every message names the field, the value that was got and the value that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
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
        got: usize,
        /// The counts allowed.
        wanted: String,
    },
    /// A tensor, or sizes, of another shape.
    #[error("{field}: got shape {got:?}, wanted {wanted}")]
    Shape {
        /// The tensor or setting.
        field: &'static str,
        /// Its shape.
        got: Vec<usize>,
        /// The shape wanted.
        wanted: String,
    },
    /// A label without a voxel: no overlap can be measured on it.
    #[error("{field}[{example}, {label}]: got no voxel, wanted at least one")]
    EmptyLabel {
        /// The tensor of labels.
        field: &'static str,
        /// The number of the example.
        example: usize,
        /// The number of the label.
        label: usize,
    },
    /// A field that folds, where one without folds is needed.
    #[error("field[{example}]: got {folds} folded voxels, wanted none")]
    Folded {
        /// The number of the example.
        example: usize,
        /// Voxels with a Jacobian determinant that is not above 0.
        folds: usize,
    },
    /// A fixed point that was not reached.
    #[error(
        "field[{example}]: got a residual of {got:e} voxels after {iterations} iterations, wanted \
         at most {wanted:e}"
    )]
    NotConverged {
        /// The number of the example.
        example: usize,
        /// Its largest residual.
        got: f64,
        /// The tolerance.
        wanted: f64,
        /// The iterations done.
        iterations: usize,
    },
    /// A quadrilateral that is not convex, or whose corners do not go round in the direction from
    /// the first axis to the second.
    #[error("quads[{quad}]: got a Jacobian of {got}, wanted one above 0 everywhere")]
    Quad {
        /// The number of the quadrilateral.
        quad: usize,
        /// The Jacobian at one of its corners.
        got: f64,
    },
    /// A body that its supports do not hold in place.
    #[error("supports: got a body that can move freely, wanted one held in place")]
    Unsupported,
    /// A training that needs true fields and has none, or has them without a use for them.
    #[error("true_fields: got {got}, wanted {wanted}")]
    TrueFields {
        /// What was given.
        got: &'static str,
        /// What the configuration asks for.
        wanted: &'static str,
    },
    /// A loss that is not finite.
    #[error("step {step}: got a loss of {got}, wanted a finite number; lower the learning rate")]
    Diverged {
        /// The number of the step, from 0.
        step: usize,
        /// The loss.
        got: f64,
    },
    /// A file or folder that could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: std::io::Error,
    },
    /// A checkpoint of another training.
    #[error("{path}: got {field} {got}, wanted {wanted}", path = path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// Its value in the checkpoint.
        got: String,
        /// The value wanted.
        wanted: String,
    },
    /// A file of a checkpoint that holds no such record.
    #[error("{path}: wanted a record of this training: {reason}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Returns `got`, or an error if it is not finite or outside the range that `holds` describes.
pub(crate) fn within(
    field: &'static str,
    got: f64,
    holds: impl FnOnce(f64) -> bool,
    wanted: &'static str,
) -> Result<f64, RegistrationError> {
    match got.is_finite() && holds(got) {
        true => Ok(got),
        false => Err(RegistrationError::Value { field, got, wanted }),
    }
}

/// Returns `got`, or an error if it is not finite and above 0.
pub(crate) fn positive(field: &'static str, got: f64) -> Result<f64, RegistrationError> {
    within(field, got, |x| x > 0.0, "a finite number above 0")
}

/// Returns `got`, or an error if it is not finite and at least 0.
pub(crate) fn not_negative(field: &'static str, got: f64) -> Result<f64, RegistrationError> {
    within(field, got, |x| x >= 0.0, "a finite number of at least 0")
}

/// Returns `got`, or an error if it is below `least`.
pub(crate) fn at_least(
    field: &'static str,
    got: usize,
    least: usize,
) -> Result<usize, RegistrationError> {
    match got >= least {
        true => Ok(got),
        false => Err(RegistrationError::Count { field, got, wanted: format!("at least {least}") }),
    }
}

/// Returns `got`, or an error if it is not odd.
pub(crate) fn odd(field: &'static str, got: usize) -> Result<usize, RegistrationError> {
    match got % 2 {
        1 => Ok(got),
        _ => Err(RegistrationError::Count { field, got, wanted: "an odd number".into() }),
    }
}
