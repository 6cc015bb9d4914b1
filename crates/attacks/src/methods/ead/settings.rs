//! The settings of EAD.

use super::Ead;
use crate::AttackError;
use crate::error::{at_least_one, within};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};

impl FromSpec for Ead {
    const NAME: &'static str = "ead";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        let rule = of.need("rule")?;
        let attack = Self { rule, ..Self::elastic_net(of.need("threat")?)? };
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "search_steps", Self::with_search_steps)?;
        let attack = of.set(attack, "step_size", Self::with_step_size)?;
        let attack = of.set(attack, "initial_constant", Self::with_initial_constant)?;
        let attack = of.set(attack, "beta", Self::with_beta)?;
        let attack = of.set(attack, "confidence", Self::with_confidence)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(Ead);

impl Ead {
    /// The number of iterations of a run; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of runs, each with another `c`; an error if it is zero. With ten runs or more,
    /// the last has the least `c` that is known to reach the goal, or 1e10 if none is known.
    pub fn with_search_steps(self, search_steps: usize) -> Result<Self, AttackError> {
        Ok(Self { search_steps: at_least_one("search_steps", search_steps)?, ..self })
    }

    /// The length of the first step, as a factor of the gradient; an error unless finite and
    /// positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The weight `c` of the margin in the first run; an error unless above 0.
    pub fn with_initial_constant(self, constant: f64) -> Result<Self, AttackError> {
        let initial_constant = within("initial_constant", constant, |c| c > 0.0, "above 0")?;
        Ok(Self { initial_constant, ..self })
    }

    /// The weight β of the L1 norm. It is also the amount by which every iteration shrinks the
    /// change of a pixel, in units of the pixel range. An error unless at least 0.
    pub fn with_beta(self, beta: f64) -> Result<Self, AttackError> {
        Ok(Self { beta: within("beta", beta, |beta| beta >= 0.0, "at least 0")?, ..self })
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
