//! The settings of PGD.

use super::{Pgd, RandomStart};
use crate::error::{at_least_one, within};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    AttackError, Eot, Expectation, GradientKernel, InputDiversity, Iterate, Knob, Loss, Norm,
    Passes,
};

impl FromSpec for Pgd {
    const NAME: &'static str = "pgd";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("threat")?);
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "random_start", |attack, start: RandomStart| {
            Ok(attack.with_random_start(start))
        })?;
        let attack = of.set(attack, "restarts", Self::with_restarts)?;
        let attack = of.set(attack, "momentum", Self::with_momentum)?;
        let attack = of.set(attack, "input_diversity", |attack, value| {
            Ok(attack.with_input_diversity(value))
        })?;
        let attack = of.set(attack, "kernel", |attack, value| Ok(attack.with_kernel(value)))?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        let attack = of.set(attack, "loss", |attack, value| Ok(attack.with_loss(value)))?;
        let attack = of.set(attack, "iterate", |attack, value| Ok(attack.with_iterate(value)))?;
        let has = attack.step_size;
        let attack = of.set_other(attack, "step_size", has, Self::with_step_size)?;
        let has = attack.sparsity;
        let attack = of.set_other(attack, "sparsity", has, Self::with_sparsity)?;
        of.done(attack)
    }
}

deserialize_from_spec!(Pgd);

impl Pgd {
    /// The number of steps of a run; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The length of a step in the threat's norm, in units of the pixel range; an error unless
    /// finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// Sets whether a run starts at a random point of the ball, instead of at the image, or by
    /// which law.
    pub fn with_random_start(self, random_start: impl Into<RandomStart>) -> Self {
        Self { random_start: random_start.into(), ..self }
    }

    /// The number of runs; an error if it is zero. Without random start, input diversity and noise
    /// all runs are alike.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, AttackError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient and each score;
    /// an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The quantity that is averaged over the draws: losses, logits or probabilities.
    pub fn with_expectation(self, expectation: Expectation) -> Self {
        Self { eot: Eot { expectation, ..self.eot }, ..self }
    }

    /// The momentum μ: the share of the past gradients that each step keeps; an error unless in [0,
    /// 1].
    pub fn with_momentum(self, momentum: f64) -> Result<Self, AttackError> {
        let momentum = within("momentum", momentum, |m| (0.0..=1.0).contains(&m), "0 to 1")?;
        Ok(Self { momentum, ..self })
    }

    /// Takes each gradient at images that are resized at random.
    pub fn with_input_diversity(self, diversity: InputDiversity) -> Self {
        Self { input_diversity: Some(diversity), ..self }
    }

    /// Convolves each gradient with a kernel.
    pub fn with_kernel(self, kernel: GradientKernel) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// The share of coordinates that a step in the L1 norm moves; an error unless in (0, 1], and in
    /// the other norms, whose steps move all.
    pub fn with_sparsity(self, sparsity: f64) -> Result<Self, AttackError> {
        if self.threat.norm() != Norm::L1 {
            let wanted = "none: only steps in the L1 norm are sparse";
            return Err(AttackError::Unused {
                field: "sparsity",
                got: sparsity.to_string(),
                wanted,
            });
        }
        let sparsity = within("sparsity", sparsity, |s| s > 0.0 && s <= 1.0, "above 0 to 1")?;
        Ok(Self { sparsity, ..self })
    }

    /// The loss that the attack raises.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// The choice of the iterate that a run returns.
    pub fn with_iterate(self, iterate: Iterate) -> Self {
        Self { iterate, ..self }
    }

    /// The attack with another value of a knob. The step size, and the radius of a start that has
    /// one, keep their proportion to the radius of the threat; there is none at a radius of zero.
    pub(super) fn turned(&self, knob: Knob) -> Result<Self, AttackError> {
        let attack = self.clone();
        match knob {
            Knob::Epsilon(got) if self.threat.epsilon() == 0.0 => {
                let wanted = "an attack with a radius above 0: its step size scales with it";
                Err(AttackError::Setting { field: "epsilon", got, wanted })
            }
            Knob::Epsilon(epsilon) => {
                let threat = self.threat.with_epsilon(epsilon)?;
                let scaled = |size: f64| epsilon * (size / self.threat.epsilon());
                let step_size = scaled(self.step_size);
                let random_start = self.random_start.at_radius(scaled);
                Ok(Self { threat, step_size, random_start, ..attack })
            }
            Knob::Steps(steps) => attack.with_steps(steps),
            Knob::StepSize(step_size) => attack.with_step_size(step_size),
            Knob::Restarts(restarts) => attack.with_restarts(restarts),
            Knob::Draws(draws) => attack.with_draws(draws),
            Knob::Expectation(expectation) => Ok(attack.with_expectation(expectation)),
            Knob::Loss(loss) => Ok(attack.with_loss(loss)),
            Knob::Iterate(iterate) => Ok(attack.with_iterate(iterate)),
        }
    }

    /// The cost for each example, unless examples leave early.
    pub(super) fn passes(&self) -> Passes {
        // A ball of radius zero is not searched.
        if self.threat.epsilon() == 0.0 {
            return Passes::default();
        }
        let score = self.eot.score_cost();
        let steps = self.steps as u64;
        let choice = match self.iterate {
            Iterate::Best => score * (steps + 1),
            Iterate::Last if self.restarts > 1 => score,
            Iterate::Last => Passes::default(),
        };
        (self.eot.gradient_cost() * steps + choice) * self.restarts as u64
    }
}
