//! The settings of SPSA.

use super::Spsa;
use crate::error::{at_least_one, within};
use crate::{AttackError, Eot, Expectation};

impl Spsa {
    /// The number of steps; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of samples behind each gradient, of two queries each; an error if it is zero.
    pub fn with_samples(self, samples: usize) -> Result<Self, AttackError> {
        Ok(Self { samples: at_least_one("samples", samples)?, ..self })
    }

    /// The length δ by which each sample moves every pixel, in units of the pixel range; an error
    /// unless finite and positive.
    pub fn with_delta(self, delta: f64) -> Result<Self, AttackError> {
        Ok(Self { delta: within("delta", delta, |delta| delta > 0.0, "above 0")?, ..self })
    }

    /// Adam's learning rate, about how far a step moves every pixel; an error unless finite and
    /// positive.
    pub fn with_learning_rate(self, rate: f64) -> Result<Self, AttackError> {
        let learning_rate = within("learning_rate", rate, |rate| rate > 0.0, "above 0")?;
        Ok(Self { learning_rate, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each query; an error if it is
    /// zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The quantity that is averaged over the draws: losses, logits or probabilities.
    pub fn with_expectation(self, expectation: Expectation) -> Self {
        Self { eot: Eot { expectation, ..self.eot }, ..self }
    }
}
