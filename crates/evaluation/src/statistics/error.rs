//! Errors of statistics.

/// A number for which no statistic exists, such as more successes than trials.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: got {got}, wanted {wanted}")]
pub struct StatisticsError {
    /// The argument.
    pub field: &'static str,
    /// The value of the argument.
    pub got: f64,
    /// The possible values.
    pub wanted: &'static str,
}

/// Returns `got`, or an error if it is outside the range that `holds` describes.
pub(crate) fn within(
    field: &'static str,
    got: f64,
    holds: impl FnOnce(f64) -> bool,
    wanted: &'static str,
) -> Result<f64, StatisticsError> {
    match got.is_finite() && holds(got) {
        true => Ok(got),
        false => Err(StatisticsError { field, got, wanted }),
    }
}

/// Returns the confidence, or an error if it is not between 0 and 1.
pub(crate) fn confidence(got: f64) -> Result<f64, StatisticsError> {
    within("confidence", got, |c| c > 0.0 && c < 1.0, "a number between 0 and 1")
}
