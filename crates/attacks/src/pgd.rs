//! Projected gradient ascent, of which FGSM and EOT-PGD are settings.

use crate::attack::Selection;
use crate::error::at_least_one;
use crate::{
    Adversarial, Attack, AttackError, Classifier, Goal, Loss, Passes, Threat, checked_images,
    input_gradient,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// Which point of a run is its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Iterate {
    /// The last, as in training: no pass is spent on choosing.
    #[default]
    Last,
    /// Of start and iterates the best for each example. It costs as many more forward passes as the gradients took, and
    /// those of the start.
    Best,
}

/// Projected gradient descent (Madry et al., arXiv 1706.06083, section 2.1).
///
/// From a start in the ball, each step moves along the steepest direction of the norm and projects back to ball and box:
/// `x ← Π(x ± step_size · steepest(∇loss))`, upwards away from a label, downwards towards a target. With `draws` above
/// one each gradient is a mean over the model's noise (EOT). Of several restarts the best result of each example counts.
///
/// ```
/// use cni_attacks::{Attack, Iterate, Pgd, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Pgd::fgsm(threat).name(), "FGSM");
/// assert_eq!(Pgd::training(threat).name(), "PGD-7");
/// let strong = Pgd::new(threat).with_steps(20)?.with_draws(20)?.with_iterate(Iterate::Best);
/// assert_eq!(strong.name(), "EOT-PGD-20x20-best");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "pgd")]
pub struct Pgd {
    threat: Threat,
    steps: usize,
    step_size: f64,
    random_start: bool,
    restarts: usize,
    draws: usize,
    loss: Loss,
    iterate: Iterate,
}

impl Pgd {
    /// Ten steps of ε/4 from a random start, on the cross-entropy, one draw, one run, the last iterate.
    pub fn new(threat: Threat) -> Self {
        Self {
            threat,
            steps: 10,
            step_size: threat.epsilon() / 4.0,
            random_start: true,
            restarts: 1,
            draws: 1,
            loss: Loss::CrossEntropy,
            iterate: Iterate::Last,
        }
    }

    /// The fast gradient sign method (Goodfellow et al., arXiv 1412.6572): one step of ε from the image itself.
    pub fn fgsm(threat: Threat) -> Self {
        Self { steps: 1, step_size: threat.epsilon(), random_start: false, ..Self::new(threat) }
    }

    /// The attack that PNI (CVPR 2019) and CNI (arXiv 2003.02188) train against: seven steps of ε/4, random start.
    pub fn training(threat: Threat) -> Self {
        Self { steps: 7, ..Self::new(threat) }
    }

    /// The number of steps of a run; an error where it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The length of a step in the threat's norm, in units of the pixel range; an error unless finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// Whether a run starts at a random point of the ball, or at the image.
    pub fn with_random_start(self, random_start: bool) -> Self {
        Self { random_start, ..self }
    }

    /// The number of runs; an error where it is zero. Without random start and noise all runs are alike.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, AttackError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// The number of draws of the model's noise behind each gradient and each score; an error where it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("draws", draws)?, ..self })
    }

    /// The loss to climb.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// Which iterate is the result.
    pub fn with_iterate(self, iterate: Iterate) -> Self {
        Self { iterate, ..self }
    }

    fn start(&self, clean: &Tensor<4>, key: Key, first_example: u64) -> Tensor<4> {
        if !self.random_start {
            return clean.clone();
        }
        let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
        let change = norm.random_start(key, clean, epsilon, first_example);
        norm.project(clean.clone() + change, clean, epsilon)
    }
}

impl Attack for Pgd {
    /// `FGSM` or `PGD-{steps}`; with several draws `EOT-…x{draws}`; then `-margin`, `-r{restarts}` and `-best` where they
    /// apply.
    fn name(&self) -> String {
        let fgsm = self.steps == 1 && !self.random_start && self.step_size == self.threat.epsilon();
        let mut name = if fgsm { "FGSM".to_string() } else { format!("PGD-{}", self.steps) };
        if self.draws > 1 {
            name = format!("EOT-{name}x{}", self.draws);
        }
        if self.loss == Loss::Margin {
            name += "-margin";
        }
        if self.restarts > 1 {
            name += &format!("-r{}", self.restarts);
        }
        if self.iterate == Iterate::Best {
            name += "-best";
        }
        name
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn perturb(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        goal: &Goal,
        key: Key,
        first_example: u64,
    ) -> Result<Adversarial, AttackError> {
        let clean = checked_images(images, goal)?;
        let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
        let mut selection = Selection {
            classifier,
            goal,
            loss: self.loss,
            draws: self.draws,
            key: key.named("score"),
            first_example,
            best: None,
            passes: Passes::default(),
        };
        let best = self.iterate == Iterate::Best;
        let mut last = clean.clone();
        let mut passes = Passes::default();
        for run in 0..self.restarts as u64 {
            let key = key.child(run);
            last = self.start(&clean, key.named("start"), first_example);
            for step in 0..self.steps as u64 {
                if best {
                    selection.offer(last.clone())?;
                }
                let key = key.child(step);
                let found = input_gradient(
                    classifier,
                    &last,
                    goal,
                    self.loss,
                    self.draws,
                    key,
                    first_example,
                )?;
                passes += found.passes;
                let ahead = norm.steepest_step(found.gradient, goal.direction() * self.step_size);
                last = norm.project(last + ahead, &clean, epsilon);
            }
            if best || self.restarts > 1 {
                selection.offer(last.clone())?;
            }
        }
        passes += selection.passes;
        let images = selection.best.map_or(last, |(images, _)| images);
        Ok(Adversarial { images, passes })
    }

    fn spec(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("names and finite numbers have a JSON form")
    }
}
