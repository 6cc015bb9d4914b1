//! The settings of APGD.

use super::{Apgd, ObjectiveKind};
use crate::error::{at_least_one, within};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{AttackError, Eot, Expectation, Loss, Norm, Passes};

impl FromSpec for Apgd {
    const NAME: &'static str = "apgd";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        // Records before version 0.2 have the loss, or the targets, in an object named `climb`.
        of.flatten("climb");
        of.rename("enlarged", "use_larger_epsilons");
        let threat = of.need("threat")?;
        let attack = match of.take("targets")? {
            Some(targets) => Self::targeted(threat).with_targets(targets)?,
            None => Self::cross_entropy(threat).with_loss(of.need("loss")?)?,
        };
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "restarts", Self::with_restarts)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack = of.set(attack, "score_draws", Self::with_score_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        let attack = of.set(attack, "use_larger_epsilons", |attack, value| {
            Ok(attack.with_enlarged_start(value))
        })?;
        let has = attack.rho;
        let attack = of.set_other(attack, "rho", has, Self::with_rho)?;
        of.done(attack)
    }
}

deserialize_from_spec!(Apgd);

impl Apgd {
    /// Sets the loss; an error for [`targeted`](Self::targeted) attacks, whose loss leads from one
    /// class to another.
    pub fn with_loss(self, loss: Loss) -> Result<Self, AttackError> {
        match self.kind {
            ObjectiveKind::Loss(_) => Ok(Self { kind: ObjectiveKind::Loss(loss), ..self }),
            ObjectiveKind::Targets(_) => Err(AttackError::Unused {
                field: "loss",
                got: format!("{loss:?}"),
                wanted: "none: a targeted APGD raises the targeted DLR loss",
            }),
        }
    }

    /// The number of target classes that are tried; an error if it is zero, or if the attack is not
    /// [`targeted`](Self::targeted).
    pub fn with_targets(self, targets: usize) -> Result<Self, AttackError> {
        let targets = at_least_one("targets", targets)?;
        match self.kind {
            ObjectiveKind::Targets(_) => Ok(Self { kind: ObjectiveKind::Targets(targets), ..self }),
            ObjectiveKind::Loss(_) => Err(AttackError::Unused {
                field: "targets",
                got: targets.to_string(),
                wanted: "none: only a targeted APGD has target classes",
            }),
        }
    }

    /// The number of iterations of a run; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of runs, for each target; an error if it is zero.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, AttackError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// The share ρ: a step halves if the score rose in no more than this share of the iterations;
    /// an error unless in [0, 1]. In the L1 norm it is always an error, since steps there depend on
    /// how sparse the best point is.
    pub fn with_rho(self, rho: f64) -> Result<Self, AttackError> {
        if self.threat.norm() == Norm::L1 {
            let wanted = "none: in the L1 norm steps do not depend on how often the score rises";
            return Err(AttackError::Unused { field: "rho", got: rho.to_string(), wanted });
        }
        Ok(Self { rho: within("rho", rho, |rho| (0.0..=1.0).contains(&rho), "0 to 1")?, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient; an error if it
    /// is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The number of draws behind each score of a stochastic model; an error if it is zero.
    /// Default: as many as behind each gradient.
    pub fn with_score_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { score_draws: Some(at_least_one("score_draws", draws)?), ..self })
    }

    /// The quantity that is averaged over the draws: losses, logits or probabilities.
    pub fn with_expectation(self, expectation: Expectation) -> Self {
        Self { eot: Eot { expectation, ..self.eot }, ..self }
    }

    /// Sets whether runs begin in balls of three times and twice ε (arXiv 2103.01208, section 4.3),
    /// with 30, 30 and 40 % of the iterations. AutoAttack does so in the L1 norm.
    pub fn with_enlarged_start(self, enlarged: bool) -> Self {
        Self { enlarged, ..self }
    }

    /// The largest cost for each example on a model of so many classes; examples may leave early.
    pub(super) fn passes(&self, classes: usize, stochastic: bool) -> Passes {
        let score = self.score_eot().score_cost();
        let evaluation = self.eot.gradient_cost() + score * u64::from(stochastic);
        let evaluations: usize = self.stages().iter().map(|(_, steps)| steps + 1).sum();
        let (targets, ranking) = match self.kind {
            ObjectiveKind::Loss(_) => (1, Passes::default()),
            ObjectiveKind::Targets(most) => (most.min(classes.saturating_sub(1)), score),
        };
        let runs = (targets * self.restarts) as u64;
        ranking + (evaluation * evaluations as u64 + score * u64::from(runs > 1)) * runs
    }
}
