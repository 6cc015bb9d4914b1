//! Numbers that no statistic can be made of.

/// A number that no statistic can be made of, such as more successes than trials.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: got {got}, wanted {wanted}")]
pub struct StatisticsError {
    /// The argument.
    pub field: &'static str,
    /// Its value.
    pub got: f64,
    /// The values that are possible.
    pub wanted: &'static str,
}

/// `got`, unless it is outside the range that `holds` describes.
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

/// A confidence, unless it is none.
pub(crate) fn confidence(got: f64) -> Result<f64, StatisticsError> {
    within("confidence", got, |c| c > 0.0 && c < 1.0, "a number between 0 and 1")
}
