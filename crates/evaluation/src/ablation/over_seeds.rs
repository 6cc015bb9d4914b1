use crate::EvaluationError;
use crate::statistics::error;
use crate::statistics::laws::student_quantile;
use crate::statistics::shares::variance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number over the seeds of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverSeeds {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over the seeds, with n − 1 in the denominator; absent for one seed.
    pub sd: Option<f64>,
    /// The lower end of the mean's interval, by Student's law; absent for one seed.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The number of seeds.
    pub seeds: usize,
}

impl OverSeeds {
    /// The mean of values, one for each seed, with its interval at a confidence between 0 and 1.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::NoData`] without a value, [`EvaluationError::Statistics`] for a
    /// confidence out of its range.
    pub fn new(values: Vec<f64>, confidence: f64) -> Result<Self, EvaluationError> {
        Self::at_resolution(values, 0.0, confidence)
    }

    /// The mean of accuracies of `examples` examples each, or of differences of two.
    ///
    /// Few seeds can agree to the last example by chance, and their deviation of zero would leave
    /// an interval of width zero. In the interval a deviation counts as one example at least, which is
    /// coarse for a noisy model, whose accuracy moves by less; [`sd`](Self::sd) is the one that was
    /// found.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_accuracies(
        values: Vec<f64>,
        examples: usize,
        confidence: f64,
    ) -> Result<Self, EvaluationError> {
        Self::at_resolution(values, resolution(examples), confidence)
    }

    /// The mean of values whose deviation counts as `least` at least.
    fn at_resolution(
        values: Vec<f64>,
        least: f64,
        confidence: f64,
    ) -> Result<Self, EvaluationError> {
        error::confidence(confidence)?;
        if values.is_empty() {
            return Err(EvaluationError::NoData);
        }
        let seeds = values.len();
        let mean = values.iter().sum::<f64>() / seeds as f64;
        if seeds == 1 {
            return Ok(Self { mean, sd: None, low: None, high: None, seeds });
        }
        let sd = variance(&values).sqrt();
        let t = student_quantile((1.0 + confidence) / 2.0, seeds as f64 - 1.0);
        let half = t * sd.max(least) / (seeds as f64).sqrt();
        let [low, high] = [mean - half, mean + half].map(Some);
        Ok(Self { mean, sd: Some(sd), low, high, seeds })
    }
}

/// The smallest step of an accuracy of so many examples.
pub(super) fn resolution(examples: usize) -> f64 {
    1.0 / examples.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1, 2, 3 the mean is 2, the deviation 1, and t with two degrees 4.3027 at 95 %.
    #[test]
    fn the_interval_is_students() {
        let OverSeeds { mean, sd, low, high, .. } =
            OverSeeds::new(vec![1.0, 2.0, 3.0], 0.95).unwrap();
        assert_eq!((mean, sd), (2.0, Some(1.0)));
        let half = 4.302_652_7 / 3.0_f64.sqrt();
        assert!((low.unwrap() - (2.0 - half)).abs() < 1e-6);
        assert!((high.unwrap() - (2.0 + half)).abs() < 1e-6);
        let one = OverSeeds::new(vec![0.5], 0.95).unwrap();
        assert_eq!((one.mean, one.sd, one.low), (0.5, None, None));
        assert!(OverSeeds::new(vec![], 0.95).is_err());
        assert!(OverSeeds::new(vec![0.5], 1.5).is_err());
    }

    /// Three seeds agree to the last of 100 examples: 4.3027 · 0.01 / √3 on both sides. A deviation
    /// of more than an example is taken as it is.
    #[test]
    fn accuracies_that_agree_leave_an_interval_of_an_example() {
        let equal = OverSeeds::of_accuracies(vec![0.1 + 0.2; 3], 100, 0.95).unwrap();
        let half = 4.302_652_7 * 0.01 / 3.0_f64.sqrt();
        assert!((equal.high.unwrap() - equal.mean - half).abs() < 1e-6, "{equal:?}");
        assert!((equal.mean - equal.low.unwrap() - half).abs() < 1e-6, "{equal:?}");
        assert!(equal.sd.unwrap() < 1e-15, "{equal:?}");
        let values = || vec![0.4, 0.5, 0.6];
        assert_eq!(
            OverSeeds::of_accuracies(values(), 100, 0.95).unwrap(),
            OverSeeds::new(values(), 0.95).unwrap()
        );
    }
}
