//! The settings of NAttack.

use super::NAttack;
use crate::error::{at_least_one, within};
use crate::{AttackError, Eot, Expectation};

impl NAttack {
    /// The number of iterations; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of samples of an iteration; an error if it is zero.
    pub fn with_population(self, population: usize) -> Result<Self, AttackError> {
        Ok(Self { population: at_least_one("population", population)?, ..self })
    }

    /// The standard deviation of the samples before the tanh; an error unless finite and positive.
    pub fn with_sigma(self, sigma: f64) -> Result<Self, AttackError> {
        Ok(Self { sigma: within("sigma", sigma, |sigma| sigma > 0.0, "above 0")?, ..self })
    }

    /// The learning rate `η`; an error unless finite and positive.
    pub fn with_learning_rate(self, rate: f64) -> Result<Self, AttackError> {
        let learning_rate = within("learning_rate", rate, |rate| rate > 0.0, "above 0")?;
        Ok(Self { learning_rate, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each score; an error if it is
    /// zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The quantity that is averaged over the draws: losses, logits or probabilities.
    pub fn with_expectation(self, expectation: Expectation) -> Self {
        Self { eot: Eot { expectation, ..self.eot }, ..self }
    }
}
