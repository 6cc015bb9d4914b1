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

/// The probability that a variable of Student's law is at least as far from zero as `t`.
pub(crate) fn student_two_sided(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    let law = StudentsT::new(0.0, 1.0, freedom).expect("at least one degree");
    2.0 * law.cdf(-t.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With one degree of freedom the law is Cauchy's: half of it lies beyond ±1.
    #[test]
    fn students_tail_is_cauchys_for_one_degree() {
        assert!((student_two_sided(1.0, 1.0) - 0.5).abs() < 1e-9);
        assert!((student_two_sided(-4.302_652_7, 2.0) - 0.05).abs() < 1e-7);
        assert_eq!(student_two_sided(f64::INFINITY, 2.0), 0.0);
    }
}
