//! Score intervals of a proportion and of the difference of two.
//!
//! The exact interval of a proportion is [`clopper_pearson`](crate::clopper_pearson).

use crate::statistics::error::{StatisticsError, within};
use crate::statistics::laws::normal_quantile;

/// Wilson's score interval (JASA 1927) for a proportion in [0, 1], `(low, high)`. It lies within
/// [0, 1] and is never empty.
///
/// `trials` need not be a whole number: if trials depend on each other, the proportion counts as
/// fewer of them.
///
/// ```
/// let (low, high) = cni_evaluation::wilson(0.8, 10.0, 0.95)?;
/// assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4);
/// # Ok::<(), cni_evaluation::StatisticsError>(())
/// ```
///
/// # Errors
///
/// [`StatisticsError`] if `proportion` is not in [0, 1], `trials` is not above 0, or `confidence`
/// is not between 0 and 1.
pub fn wilson(
    proportion: f64,
    trials: f64,
    confidence: f64,
) -> Result<(f64, f64), StatisticsError> {
    let z = quantile(confidence)?;
    let p = within("proportion", proportion, |p| (0.0..=1.0).contains(&p), "a number in [0, 1]")?;
    let n = within("trials", trials, |n| n > 0.0, "a number above 0")?;
    let center = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Ok((((center - half) / scale).max(0.0), ((center + half) / scale).min(1.0)))
}

/// Newcombe's interval for the difference of two independent proportions, the first minus the
/// second, as `(low, high)`. Each proportion is `(successes, trials)`. It is method 10 of
/// Statistics in Medicine 17, 873 (1998), made of Wilson's intervals.
///
/// ```
/// let (low, high) = cni_evaluation::newcombe((56, 70), (48, 80), 0.95)?;
/// assert!((low - 0.0524).abs() < 1e-4 && (high - 0.3339).abs() < 1e-4);
/// # Ok::<(), cni_evaluation::StatisticsError>(())
/// ```
///
/// # Errors
///
/// [`StatisticsError`] if one has no trials or more successes than trials, or if `confidence` is
/// not between 0 and 1.
pub fn newcombe(
    first: (u64, u64),
    second: (u64, u64),
    confidence: f64,
) -> Result<(f64, f64), StatisticsError> {
    Ok(square_and_add(
        Side::new(first.0, first.1, confidence)?,
        Side::new(second.0, second.1, confidence)?,
        0.0,
    ))
}

/// Newcombe's paired interval for the difference of two proportions of the same examples, the first
/// minus the second, as `(low, high)`. It is method 10 of Statistics in Medicine 17, 2635 (1998):
/// Wilson's intervals with the correlation φ, whose numerator is continuity corrected if it is
/// positive.
///
/// `outcomes` counts the examples that succeed in both, in the first alone, in the second alone,
/// and in neither.
///
/// # Errors
///
/// [`StatisticsError`] if there are no examples, or `confidence` is not between 0 and 1.
pub fn newcombe_paired(outcomes: [u64; 4], confidence: f64) -> Result<(f64, f64), StatisticsError> {
    let n: u64 = outcomes.iter().sum();
    let first = Side::new(outcomes[0] + outcomes[1], n, confidence)?;
    let second = Side::new(outcomes[0] + outcomes[2], n, confidence)?;
    let [e, f, g, h] = outcomes.map(|count| count as f64);
    let product = (e + f) * (g + h) * (e + g) * (f + h);
    let association = e * h - f * g;
    let corrected = match association > 0.0 {
        true => (association - n as f64 / 2.0).max(0.0),
        false => association,
    };
    let phi = if product > 0.0 { corrected / product.sqrt() } else { 0.0 };
    Ok(square_and_add(first, second, phi))
}

/// A proportion with its distances from the ends of its interval.
struct Side {
    proportion: f64,
    below: f64,
    above: f64,
}

impl Side {
    fn new(successes: u64, trials: u64, confidence: f64) -> Result<Self, StatisticsError> {
        let n = within("trials", trials as f64, |n| n >= 1.0, "at least 1")?;
        let proportion = successes as f64 / n;
        let (low, high) = wilson(proportion, n, confidence)?;
        Ok(Self { proportion, below: proportion - low, above: high - proportion })
    }
}

fn square_and_add(first: Side, second: Side, phi: f64) -> (f64, f64) {
    let difference = first.proportion - second.proportion;
    let length = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
    let low = difference - length(first.below, second.above);
    let high = difference + length(first.above, second.below);
    (low.max(-1.0), high.min(1.0))
}

/// The two-sided quantile of the standard normal law, such as 1.96 for a confidence of 0.95.
pub(crate) fn quantile(confidence: f64) -> Result<f64, StatisticsError> {
    let confidence = crate::statistics::error::confidence(confidence)?;
    Ok(normal_quantile(0.5 + confidence / 2.0))
}
