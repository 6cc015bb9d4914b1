//! How often a model is right about an image.

use crate::PageError;
use crate::session::first_largest;
use cni_burn::evaluation::clopper_pearson;
use serde::Serialize;

/// The confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// The judgement of one image by draws that no attack has used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The draws.
    pub draws: usize,
    /// The draws in which the model is right.
    pub right: usize,
    /// The probability that a single draw is right, as estimated.
    pub probability: f64,
    /// The lower end of its interval, exact for a share (Clopper and Pearson, 1934).
    pub low: f64,
    /// The upper end of its interval.
    pub high: f64,
    /// The confidence of the interval.
    pub confidence: f64,
    /// True if the class with the most votes of all draws is the right one.
    pub vote: bool,
    /// The probability that the model is right in each of so many tries of an attacker.
    pub best: f64,
}

impl Summary {
    /// The summary of the classes that were predicted in each draw of an image of class `label`.
    /// Whoever attacks has `tries`.
    ///
    /// The probability that all of `tries` draws are right is the share of the ways to take that
    /// many of the draws in which all are right: an estimate without bias.
    ///
    /// # Errors
    ///
    /// [`PageError::Value`] without draws or tries, and for more tries than draws.
    pub fn of(classes: &[u32], label: usize, tries: usize) -> Result<Self, PageError> {
        let draws = classes.len();
        if draws == 0 {
            return Err(PageError::value("draws", draws, "at least 1"));
        }
        if !(1..=draws).contains(&tries) {
            return Err(PageError::value("tries", tries, format!("1 to the {draws} draws")));
        }
        let right = classes.iter().filter(|class| **class as usize == label).count();
        let (low, high) = clopper_pearson(right as u64, draws as u64, CONFIDENCE)
            .expect("there are draws, and no more are right than there are");
        let all = (0..tries).map(|taken| {
            right.saturating_sub(taken) as f64 / (draws - taken) as f64 // of those that are left
        });
        Ok(Self {
            draws,
            right,
            probability: right as f64 / draws as f64,
            low,
            high,
            confidence: CONFIDENCE,
            vote: most_voted(classes) == label,
            best: all.product(),
        })
    }
}

/// The class with the most votes, the first of equals.
fn most_voted(classes: &[u32]) -> usize {
    let mut votes = vec![0; classes.iter().max().map_or(0, |most| *most as usize + 1)];
    classes.iter().for_each(|class| votes[*class as usize] += 1);
    first_largest(&votes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_that_of_the_draws() {
        // 8 of 10 right, whose exact interval at 95 % is 0.4439 to 0.9748 in every table.
        let classes = [3, 3, 1, 3, 3, 3, 3, 2, 3, 3];
        let found = Summary::of(&classes, 3, 2).unwrap();
        assert_eq!((found.draws, found.right, found.probability, found.vote), (10, 8, 0.8, true));
        assert!((found.low - 0.4439).abs() < 1e-4 && (found.high - 0.9748).abs() < 1e-4);
        // Two of ten: 8/10 · 7/9.
        assert!((found.best - 56.0 / 90.0).abs() < 1e-12);
        assert_eq!(Summary::of(&classes, 3, 9).unwrap().best, 0.0);
        assert!(!Summary::of(&classes, 1, 1).unwrap().vote);
        // The first of equals, as everywhere in the library.
        assert!(Summary::of(&[2, 1], 1, 1).unwrap().vote);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let said = |classes: &[u32], tries| Summary::of(classes, 0, tries).unwrap_err().to_string();
        assert_eq!(said(&[], 1), "draws: got 0, wanted at least 1");
        assert_eq!(said(&[0, 0], 0), "tries: got 0, wanted 1 to the 2 draws");
        assert_eq!(said(&[0, 0], 3), "tries: got 3, wanted 1 to the 2 draws");
    }
}
