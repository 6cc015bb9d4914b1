//! Guesses of members and of others, with the likely ones alone.

use super::{MembershipScores, epsilon_from_guesses};
use crate::PrivacyError;

/// The shares of examples that an attack may guess, half of them members.
const GUESSED: [f64; 5] = [0.05, 0.1, 0.2, 0.5, 1.0];

/// The lower bound on epsilon by guesses on one half of the scores, with the thresholds that are
/// best on the other.
pub(super) fn epsilon_at_least(
    chosen: &MembershipScores,
    measured: &MembershipScores,
    delta: f64,
    confidence: f64,
) -> Result<f64, PrivacyError> {
    let mut all: Vec<f64> = chosen.members.iter().chain(&chosen.others).copied().collect();
    all.sort_by(f64::total_cmp);
    let thresholds = |share: f64| {
        let each = ((0.5 * share * all.len() as f64).ceil() as usize).clamp(1, all.len() / 2);
        [all[each - 1], all[all.len() - each]]
    };
    let bound = |scores: &MembershipScores, [low, high]: [f64; 2]| {
        let guess = |score: f64| {
            if score >= high {
                1
            } else if score <= low {
                -1
            } else {
                0
            }
        };
        let count = |scores: &[f64], wanted: i32| {
            scores.iter().filter(|score| guess(**score) == wanted).count() as u64
        };
        let (members, others) = (&scores.members, &scores.others);
        let correct = count(members, 1) + count(others, -1);
        let guesses = correct + count(members, -1) + count(others, 1);
        let examples = (members.len() + others.len()) as u64;
        epsilon_from_guesses(examples, guesses, correct, delta, confidence)
    };
    let mut best = (f64::NEG_INFINITY, thresholds(1.0));
    for share in GUESSED {
        let found = bound(chosen, thresholds(share))?;
        if found > best.0 {
            best = (found, thresholds(share));
        }
    }
    bound(measured, best.1)
}
