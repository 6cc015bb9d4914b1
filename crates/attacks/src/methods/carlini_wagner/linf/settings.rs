//! The settings of Carlini and Wagner's attack in Linf.

use super::CarliniWagnerLinf;
use crate::AttackError;
use crate::error::{at_least_one, within};

impl CarliniWagnerLinf {
    /// The largest number of iterations with one τ and one `c`; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The learning rate of Adam, in units of `w`; an error unless finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The first weight `c` of the margin, and the weight at which the search for an example ends;
    /// an error unless the first is above 0, and the last above the first.
    pub fn with_constants(self, first: f64, last: f64) -> Result<Self, AttackError> {
        let initial_constant = within("initial_constant", first, |c| c > 0.0, "above 0")?;
        let wanted = "above the initial constant";
        let largest_constant = within("largest_constant", last, |c| c > first, wanted)?;
        Ok(Self { initial_constant, largest_constant, ..self })
    }

    /// The factor from the largest change of a pixel to the next τ; an error unless above 0 and
    /// below 1.
    pub fn with_tau_factor(self, factor: f64) -> Result<Self, AttackError> {
        let part = |factor| factor > 0.0 && factor < 1.0;
        Ok(Self { tau_factor: within("tau_factor", factor, part, "above 0 and below 1")?, ..self })
    }

    /// The bound τ at which the search for an example ends, in units of the pixel range; an error
    /// unless above 0.
    pub fn with_least_tau(self, tau: f64) -> Result<Self, AttackError> {
        Ok(Self { least_tau: within("least_tau", tau, |tau| tau > 0.0, "above 0")?, ..self })
    }

    /// The margin κ that an image must have to count as adversarial, in units of the logits; an
    /// error unless at least 0.
    pub fn with_confidence(self, confidence: f64) -> Result<Self, AttackError> {
        let confidence = within("confidence", confidence, |k| k >= 0.0, "at least 0")?;
        Ok(Self { confidence, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient, and for each
    /// test whether an image is adversarial; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }
}
