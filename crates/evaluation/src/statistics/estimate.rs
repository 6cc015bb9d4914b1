//! Accuracy of a stochastic classifier, with its uncertainty.

use crate::EvaluationError;
use crate::statistics::intervals::wilson;
use crate::statistics::shares::{effective_trials, variance};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An accuracy with its confidence interval. All values are fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The mean over examples and draws of "classified correctly", in [0, 1].
    pub accuracy: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The accuracy in each draw, over all examples: the values that single passes over the data
    /// would report.
    pub per_draw: Vec<f64>,
}

/// The hits of a stochastic classifier: which examples it classified correctly in which draws.
///
/// Draw `d` uses the same noise for all examples, so examples and draws are crossed. More examples
/// do not make up for few draws, and more draws do not make up for few examples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hits {
    draws: usize,
    /// The number of correct draws of each example.
    pub(crate) per_example: Vec<u32>,
    per_draw: Vec<u32>,
}

impl Hits {
    /// Empty hits, for `draws` draws of each example.
    pub fn new(draws: usize) -> Self {
        Self { draws, per_example: Vec::new(), per_draw: vec![0; draws] }
    }

    /// Adds a batch: one list for each draw, which says of each example whether it was classified
    /// correctly.
    ///
    /// # Panics
    ///
    /// If the number of draws is not that of [`new`](Self::new), or the draws differ in their
    /// number of examples.
    pub fn extend(&mut self, batch: &[Vec<bool>]) {
        assert_eq!(batch.len(), self.draws, "one list for each draw");
        let (first, examples) = (self.per_example.len(), batch.first().map_or(0, Vec::len));
        self.per_example.resize(first + examples, 0);
        for (draw, hits) in batch.iter().enumerate() {
            assert_eq!(hits.len(), examples, "one value for each example");
            for (example, &hit) in hits.iter().enumerate() {
                self.per_example[first + example] += u32::from(hit);
                self.per_draw[draw] += u32::from(hit);
            }
        }
    }

    /// Adds the hits of other examples in the same draws.
    pub(crate) fn append(&mut self, next: &Self) {
        debug_assert_eq!(next.draws, self.draws, "the same draws");
        self.per_example.extend(&next.per_example);
        for (count, next) in self.per_draw.iter_mut().zip(&next.per_draw) {
            *count += next;
        }
    }

    /// The mean with its interval at the given confidence, such as 0.95.
    ///
    /// The variance of the mean is the sum of the part over examples and the part over draws, `s²_e
    /// / n + s²_d / k`. This is right for crossed effects, and slightly too large by their
    /// interaction. It gives an effective number of independent trials, and the interval is
    /// Wilson's (JASA 1927) for that number: it stays within [0, 1] and is not empty if every trial
    /// agrees. A single draw says nothing about the variance over draws. The interval is then over
    /// examples alone, Wilson's for as many trials as there are examples.
    ///
    /// The quantile is that of the normal law, whatever the numbers of examples and draws are. With
    /// fewer than about thirty examples, or where a few draws make most of the variance, the
    /// interval is thus narrower than its confidence says: by Student's law with four degrees of
    /// freedom, those of five draws, it would be 1.4 times as wide.
    ///
    /// # Errors
    ///
    /// If there are no examples or no draws, or `confidence` is not between 0 and 1.
    pub fn estimate(&self, confidence: f64) -> Result<Estimate, EvaluationError> {
        if self.per_example.is_empty() || self.draws == 0 {
            return Err(EvaluationError::NoData);
        }
        let (n, k) = (self.per_example.len() as f64, self.draws as f64);
        let fractions = |counts: &[u32], of: f64| -> Vec<f64> {
            counts.iter().map(|&count| f64::from(count) / of).collect()
        };
        let (examples, per_draw) = (fractions(&self.per_example, k), fractions(&self.per_draw, n));
        let accuracy = per_draw.iter().sum::<f64>() / k;
        let variance = variance(&examples) / n + variance(&per_draw) / k;
        let trials = match self.draws > 1 {
            true => effective_trials(accuracy, variance).map_or(n, |trials| trials.min(n * k)),
            false => n,
        };
        let (low, high) = wilson(accuracy.clamp(0.0, 1.0), trials.max(1.0), confidence)?;
        Ok(Estimate { accuracy, low, high, per_draw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_noise::{Key, host_normal, host_uniform};

    /// Wilson's interval for 8 of 10 at 95 % is 0.4902 to 0.9433 in every table.
    #[test]
    fn one_draw_gives_wilsons_interval() {
        let mut hits = Hits::new(1);
        hits.extend(&[(0..10).map(|i| i < 8).collect()]);
        let Estimate { low, high, .. } = hits.estimate(0.95).unwrap();
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn what_has_no_interval_is_refused() {
        let mut some = Hits::new(1);
        some.extend(&[vec![true, false]]);
        for confidence in [0.0, 1.0, 2.0, f64::NAN] {
            let error = some.estimate(confidence).unwrap_err().to_string();
            assert!(error.contains("confidence: got"), "{error}");
        }
        let mut no_draws = Hits::new(0);
        no_draws.extend(&[]);
        for hits in [no_draws, Hits::new(3)] {
            assert!(matches!(hits.estimate(0.95), Err(EvaluationError::NoData)));
        }
    }

    #[test]
    fn unanimous_trials_leave_an_interval_that_is_not_empty() {
        let mut hits = Hits::new(3);
        hits.extend(&vec![vec![true; 50]; 3]);
        let all = hits.estimate(0.95).unwrap();
        assert_eq!((all.accuracy, all.high), (1.0, 1.0));
        assert!((0.90..0.95).contains(&all.low), "{}", all.low);
    }

    /// 400 examples of differing difficulty under 20 draws of differing luck, simulated 1,000
    /// times. The share of intervals that contain the truth is at least 95 % less five standard
    /// errors (0.7 % each). The interval is conservative by design, so the only upper bound is one.
    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
        let simulate = |key: Key| {
            let (n, k) = (400, 20);
            let difficulty = host_normal(key.child(0), 0..n);
            let luck = host_normal(key.child(1), 0..k);
            let coins = host_uniform(key.child(2), 0..n * k);
            let mut hits = Hits::new(k as usize);
            let draw = |d: usize| -> Vec<bool> {
                (0..n as usize)
                    .map(|i| {
                        let p = logistic(0.5 + 2.0 * difficulty[i] + 0.5 * luck[d]);
                        coins[d * n as usize + i] < p
                    })
                    .collect()
            };
            hits.extend(&(0..k as usize).map(draw).collect::<Vec<_>>());
            hits.estimate(0.95).unwrap()
        };
        // The true accuracy is the mean of the logistic function over the sum of both effects, here
        // a fine sum over its density.
        let sd = (4.0f64 + 0.25).sqrt();
        let (mut truth, mut mass) = (0.0, 0.0);
        for step in -4000..=4000 {
            let x = f64::from(step) / 500.0;
            let density = (-0.5 * x * x).exp();
            truth += density / (1.0 + (-(0.5 + sd * x)).exp());
            mass += density;
        }
        let truth = truth / mass;
        let covered = (0..1_000)
            .map(|i| simulate(Key::new(5).child(i)))
            .filter(|e| (e.low..=e.high).contains(&truth))
            .count();
        assert!((915..=1_000).contains(&covered), "{covered} of 1000");
    }
}
