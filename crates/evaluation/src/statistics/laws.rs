//! Laws whose quantiles and tails intervals and tests are made of.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The value that a standard normal variable is below with probability `p` in (0, 1).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The probability that a standard normal variable is below `x`.
pub(crate) fn normal_below(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// The value that a variable of Student's law with `freedom` degrees of freedom, at least 1, is
/// below with probability `p` in (0, 1).
pub(crate) fn student_quantile(p: f64, freedom: f64) -> f64 {
    // With many degrees the two laws are alike, and the inverse of Student's is not to be relied
    // on.
    match freedom > 1e4 {
        true => normal_quantile(p),
        false => StudentsT::new(0.0, 1.0, freedom).expect("at least one degree").inverse_cdf(p),
    }
}
