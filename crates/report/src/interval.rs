//! The exact interval of a share.

use statrs::distribution::{Beta, ContinuousCDF};

/// The interval of Clopper and Pearson (Biometrika 1934) for so many successes in so many trials, which need not be
/// whole numbers.
pub(crate) fn exact(successes: f64, trials: f64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).map(|law| law.inverse_cdf(p)).ok();
    let (successes, failures) = (successes.max(0.0), (trials - successes).max(0.0));
    let low = quantile(successes, failures + 1.0, tail).filter(|_| successes > 0.0);
    let high = quantile(successes + 1.0, failures, 1.0 - tail).filter(|_| failures > 0.0);
    (low.unwrap_or(0.0), high.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::exact;

    /// 8 of 10 at 95 %, as every table has it: 0.4439 to 0.9748. None of 10: up to 1 - 0.025^(1/10) = 0.3085.
    #[test]
    fn the_interval_is_clopper_and_pearsons() {
        let near = |got: (f64, f64), wanted: (f64, f64)| {
            assert!((got.0 - wanted.0).abs() < 1e-4 && (got.1 - wanted.1).abs() < 1e-4, "{got:?}");
        };
        near(exact(8.0, 10.0, 0.95), (0.4439, 0.9748));
        near(exact(0.0, 10.0, 0.95), (0.0, 0.3085));
        near(exact(10.0, 10.0, 0.95), (0.6915, 1.0));
    }
}
