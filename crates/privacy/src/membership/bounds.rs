//! What a privacy of epsilon and delta allows an attack, and what an attack says of epsilon.

use crate::PrivacyError;
use crate::error::{checked_delta, within};
use cni_evaluation::clopper_pearson;

/// The largest epsilon that a lower bound is looked for up to.
const MOST: f64 = 64.0;

/// The largest true positive rate that any attack has at this false positive rate against a
/// training of epsilon and delta: the smaller of e^ε FPR + δ and 1 − e^−ε (1 − δ − FPR) (Kairouz,
/// Oh and Viswanath, ICML 2015, arXiv 1311.0776).
pub fn max_true_positive_rate(epsilon: f64, delta: f64, false_positive_rate: f64) -> f64 {
    let one = epsilon.exp() * false_positive_rate + delta;
    let other = 1.0 - (-epsilon).exp() * (1.0 - delta - false_positive_rate);
    one.min(other).clamp(0.0, 1.0)
}

/// The largest advantage, true minus false positive rate, that any attack has against a training of
/// epsilon and delta: (e^ε − 1 + 2δ) / (e^ε + 1).
pub fn max_advantage(epsilon: f64, delta: f64) -> f64 {
    // Divided by e^ε, which can be infinite.
    let e = (-epsilon).exp();
    ((1.0 - e + 2.0 * delta * e) / (1.0 + e)).min(1.0)
}

/// A lower bound on epsilon at delta from the rates of an attack whose threshold was fixed before:
/// the hits among members and the false alarms among others, with exact intervals of both (Clopper
/// and Pearson), `confidence` for both together.
///
/// It holds for trials that are independent of each other, such as trainings, each of which tells
/// of one example. Examples of one training are not; [`epsilon_from_guesses`] is for these.
///
/// # Errors
///
/// [`PrivacyError::Value`] for delta or confidence not between 0 and 1;
/// [`PrivacyError::Statistics`] for no trials, or more hits than trials.
pub fn epsilon_from_rates(
    [hits, members]: [u64; 2],
    [alarms, others]: [u64; 2],
    delta: f64,
    confidence: f64,
) -> Result<f64, PrivacyError> {
    let (delta, confidence) = (checked_delta(delta)?, checked_confidence(confidence)?);
    // Two intervals, each at half of the error.
    let each = 0.5 + 0.5 * confidence;
    let (tpr_low, _) = clopper_pearson(hits, members, each)?;
    let (_, fpr_high) = clopper_pearson(alarms, others, each)?;
    let by_hits = ((tpr_low - delta) / fpr_high).ln();
    let by_misses = ((1.0 - fpr_high - delta) / (1.0 - tpr_low)).ln();
    Ok(by_hits.max(by_misses).max(0.0))
}

/// A lower bound on epsilon at delta from the guesses of an attack on **one** training, whose
/// examples were members by independent fair coins: `correct` of `guesses` guesses were right, and
/// the attack abstained on the rest of all `examples` (Steinke, Nasr and Jagielski, NeurIPS 2023,
/// arXiv 2305.08846, theorem 5.2).
///
/// # Errors
///
/// [`PrivacyError::Value`] for delta or confidence not between 0 and 1; [`PrivacyError::Count`] for
/// more guesses than examples or more right ones than guesses.
pub fn epsilon_from_guesses(
    examples: u64,
    guesses: u64,
    correct: u64,
    delta: f64,
    confidence: f64,
) -> Result<f64, PrivacyError> {
    let (delta, confidence) = (checked_delta(delta)?, checked_confidence(confidence)?);
    for (field, got, most) in [("guesses", guesses, examples), ("correct", correct, guesses)] {
        if got > most {
            return Err(PrivacyError::Count { field, got, wanted: format!("at most {most}") });
        }
    }
    // The probability of as many right guesses, at most, if epsilon is the true one.
    let refuted = |epsilon| p_value(examples, guesses, correct, epsilon, delta) < 1.0 - confidence;
    if !refuted(0.0) {
        return Ok(0.0);
    }
    let (mut low, mut high) = (0.0, MOST);
    if refuted(high) {
        return Ok(high);
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if refuted(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// An upper bound on the probability that an attack on a training of epsilon and delta guesses so
/// many right.
fn p_value(examples: u64, guesses: u64, correct: u64, epsilon: f64, delta: f64) -> f64 {
    let q = 1.0 / (1.0 + (-epsilon).exp());
    let mass = |k: u64| binomial(guesses, k, q);
    let tail: f64 = (correct..=guesses).map(mass).sum();
    // The largest mean mass of the values just below.
    let (mut most, mut sum) = (0.0_f64, 0.0);
    for i in 1..=correct {
        sum += mass(correct - i);
        most = most.max(sum / i as f64);
    }
    (tail + 2.0 * most * delta * examples as f64).min(1.0)
}

/// The probability of k successes in n trials of probability q, by logarithms.
fn binomial(n: u64, k: u64, q: f64) -> f64 {
    let (n, k) = (n as f64, k as f64);
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    // Zero times the logarithm of zero is zero here.
    let power = |count: f64, p: f64| if count == 0.0 { 0.0 } else { count * p.ln() };
    (ways + power(k, q) + power(n - k, 1.0 - q)).exp()
}

pub(super) fn checked_confidence(confidence: f64) -> Result<f64, PrivacyError> {
    let wanted = "a number between 0 and 1, ends excluded";
    within("confidence", confidence, |c| c > 0.0 && c < 1.0, wanted)
}
