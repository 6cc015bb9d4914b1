//! The settings of a universal perturbation.

use super::UniversalPerturbation;
use crate::error::{at_least_one, within};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{AttackError, Eot, Expectation, Loss};

impl FromSpec for UniversalPerturbation {
    const NAME: &'static str = "universal_perturbation";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "epochs", Self::with_epochs)?;
        let attack = of.set(attack, "clip", Self::with_clip)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        let attack = of.set(attack, "loss", |attack, value| Ok(attack.with_loss(value)))?;
        let attack = of.set(attack, "judging_draws", Self::with_judging_draws)?;
        let has = attack.step_size;
        let attack = of.set_other(attack, "step_size", has, Self::with_step_size)?;
        of.done(attack)
    }
}

deserialize_from_spec!(UniversalPerturbation);

impl UniversalPerturbation {
    /// The number of epochs, in each of which every batch moves the perturbation once; an error if
    /// it is zero.
    pub fn with_epochs(self, epochs: usize) -> Result<Self, AttackError> {
        Ok(Self { epochs: at_least_one("epochs", epochs)?, ..self })
    }

    /// The length of a step in the threat's norm, in units of the pixel range; an error unless
    /// finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The value at which the loss of each image is cut off; an error unless finite and positive.
    pub fn with_clip(self, clip: f64) -> Result<Self, AttackError> {
        Ok(Self { clip: within("clip", clip, |clip| clip > 0.0, "above 0")?, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient; an error if it
    /// is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The quantity that is averaged over the draws: losses, logits or probabilities.
    pub fn with_expectation(self, expectation: Expectation) -> Self {
        Self { eot: Eot { expectation, ..self.eot }, ..self }
    }

    /// The loss that the attack raises.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// The number of draws of a stochastic model over which the result is judged; an error if it is
    /// zero. No gradient has used these draws. A model without noise gets one pass.
    pub fn with_judging_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { judging_draws: at_least_one("judging_draws", draws)?, ..self })
    }
}
