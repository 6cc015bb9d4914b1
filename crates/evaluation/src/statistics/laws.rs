//! Quantiles and tails of the normal law and of Student's law.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The normal quantile: a standard normal variable is below it with probability `p` in (0, 1).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The probability that a standard normal variable is below `x`.
pub(crate) fn normal_below(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// Student's quantile for `freedom` degrees of freedom, at least 1: a variable of that law is below
/// it with probability `p` in (0, 1).
pub(crate) fn student_quantile(p: f64, freedom: f64) -> f64 {
    // With many degrees of freedom the two laws are alike, and the inverse of Student's law is not
    // reliable.
    match freedom > 1e4 {
        true => normal_quantile(p),
        false => StudentsT::new(0.0, 1.0, freedom).expect("at least one degree").inverse_cdf(p),
    }
}
