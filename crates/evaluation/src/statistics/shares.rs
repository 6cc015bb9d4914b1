//! Means of shares, one share for each example.

use crate::statistics::error::{StatisticsError, within};
use crate::statistics::intervals::wilson;

/// The mean; zero if there are no values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The unbiased variance; zero for a single value.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let sum: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    sum / (values.len() as f64 - 1.0).max(1.0)
}

/// The number of independent trials whose mean has this variance. `None` if only rounding varies,
/// which leaves variances like 1e-33.
pub(crate) fn effective_trials(mean: f64, variance_of_mean: f64) -> Option<f64> {
    (variance_of_mean > 1e-15).then(|| mean * (1.0 - mean) / variance_of_mean)
}

/// The mean of shares in [0, 1] of independent examples, with its interval: `(mean, low, high)`.
///
/// The variance over examples gives an effective number of independent trials: at least one and at
/// most `most` for each example. The interval is Wilson's for that number ([`wilson`]).
///
/// # Errors
///
/// If there are no shares, one is not in [0, 1], or `confidence` is not between 0 and 1.
pub(crate) fn mean_share(
    shares: &[f64],
    most: f64,
    confidence: f64,
) -> Result<(f64, f64, f64), StatisticsError> {
    let n = within("examples", shares.len() as f64, |n| n >= 1.0, "at least 1")?;
    let inside = |share: &f64| (0.0..=1.0).contains(share);
    if let Some(&got) = shares.iter().find(|share| !inside(share)) {
        return Err(StatisticsError { field: "share", got, wanted: "a number in [0, 1]" });
    }
    let mean = mean(shares).clamp(0.0, 1.0);
    let trials = effective_trials(mean, variance(shares) / n).unwrap_or(n).max(n).min(n * most);
    let (low, high) = wilson(mean, trials, confidence)?;
    Ok((mean, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_noise::{Key, host_uniform};

    #[test]
    fn shares_of_zero_and_one_are_trials() {
        let shares: Vec<f64> = (0..10).map(|i| f64::from(u8::from(i < 8))).collect();
        let (mean, low, high) = mean_share(&shares, 20.0, 0.95).unwrap();
        assert_eq!((low, high), wilson(0.8, 10.0, 0.95).unwrap());
        assert!((mean - 0.8).abs() < 1e-12);
    }

    #[test]
    fn equal_shares_are_worth_a_trial_each() {
        let (_, low, high) = mean_share(&[0.5; 40], f64::INFINITY, 0.95).unwrap();
        assert_eq!((low, high), wilson(0.5, 40.0, 0.95).unwrap());
    }

    #[test]
    fn what_has_no_mean_is_refused() {
        let message = |shares: &[f64]| mean_share(shares, 1.0, 0.95).unwrap_err().to_string();
        assert_eq!(message(&[]), "examples: got 0, wanted at least 1");
        assert_eq!(message(&[0.5, 1.5]), "share: got 1.5, wanted a number in [0, 1]");
    }

    /// Means of 200 uniform numbers in [0, 1], whose true mean is 1/2, 2,000 times: the share of
    /// intervals that contain it is 95 % within five standard errors, 2.5 %.
    #[test]
    fn the_interval_of_a_mean_covers_the_truth_as_often_as_it_says() {
        let values = host_uniform(Key::new(9), 0..2_000 * 200);
        let holds = |shares: &&[f32]| {
            let shares: Vec<f64> = shares.iter().map(|share| f64::from(*share)).collect();
            let (_, low, high) = mean_share(&shares, f64::INFINITY, 0.95).unwrap();
            (low..=high).contains(&0.5)
        };
        let covered = values.chunks(200).filter(holds).count() as f64 / 2_000.0;
        assert!((0.925..=0.975).contains(&covered), "{covered}");
    }
}
