//! The settings of an adversarial patch.

use super::{AdversarialPatch, LocationSearch};
use crate::error::at_least_one;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{AttackError, Eot, Expectation, Loss, Norm, Threat};

impl FromSpec for AdversarialPatch {
    const NAME: &'static str = "adversarial_patch";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("side")?)?.with_threat(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "step_size", Self::with_step_size)?;
        let attack = of.set(attack, "stride", Self::with_stride)?;
        let attack = of.set(attack, "period", Self::with_period)?;
        let attack = of.set(attack, "location_search", |attack, value| {
            Ok(attack.with_location_search(value))
        })?;
        let attack = of.set(attack, "restarts", Self::with_restarts)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        let attack = of.set(attack, "loss", |attack, value| Ok(attack.with_loss(value)))?;
        of.done(attack)
    }
}

deserialize_from_spec!(AdversarialPatch);

impl AdversarialPatch {
    /// A patch of `side` x `side` pixels: the authors' AP-FullLO, with 100 steps of 0.05 on the
    /// cross-entropy, and after each step a move of 2 pixels in the best direction. There is one
    /// run (the authors make 30), and one draw.
    ///
    /// # Errors
    ///
    /// If `side` is zero. A run gives [`AttackError::Side`] if it is longer than a side of the
    /// images.
    pub fn new(side: usize) -> Result<Self, AttackError> {
        Ok(Self {
            side: at_least_one("side", side)?,
            threat: Threat::whole_box(),
            steps: 100,
            step_size: 0.05,
            location_search: LocationSearch::Full,
            stride: 2,
            period: 1,
            restarts: 1,
            eot: Eot::ONE,
            loss: Loss::CrossEntropy,
        })
    }

    /// The threat, which limits how far each pixel of the patch may be from the original; an error
    /// unless its norm is Linf. Default: [`Threat::whole_box`], under which a patch may show
    /// anything.
    pub fn with_threat(self, threat: Threat) -> Result<Self, AttackError> {
        let (got, wanted) = (threat.norm(), &[Norm::Linf]);
        if !wanted.contains(&got) {
            return Err(AttackError::Norm { got, wanted });
        }
        Ok(Self { threat, ..self })
    }

    /// The number of steps of a run; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The length by which a step moves every pixel of the patch, in units of the pixel range; an
    /// error unless finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The search for the location.
    pub fn with_location_search(self, location_search: LocationSearch) -> Self {
        Self { location_search, ..self }
    }

    /// The length of a move, in pixels; an error if it is zero, or if the patch has no location
    /// search.
    pub fn with_stride(self, stride: usize) -> Result<Self, AttackError> {
        self.check_moves("stride", stride)?;
        Ok(Self { stride: at_least_one("stride", stride)?, ..self })
    }

    /// The number of steps from one move to the next; an error if it is zero, or if the patch has
    /// no location search.
    pub fn with_period(self, period: usize) -> Result<Self, AttackError> {
        self.check_moves("period", period)?;
        Ok(Self { period: at_least_one("period", period)?, ..self })
    }

    fn check_moves(&self, field: &'static str, got: usize) -> Result<(), AttackError> {
        if self.location_search != LocationSearch::None {
            return Ok(());
        }
        let wanted = "none: without a location search no patch moves";
        Err(AttackError::Unused { field, got: got.to_string(), wanted })
    }

    /// The number of runs, each from a start of its own; an error if it is zero. The result is the
    /// best of all.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, AttackError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient and each loss;
    /// an error if it is zero.
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
}
