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
        let half = t * sd / (seeds as f64).sqrt();
        let [low, high] = [mean - half, mean + half].map(Some);
        Ok(Self { mean, sd: Some(sd), low, high, seeds })
    }
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
}
