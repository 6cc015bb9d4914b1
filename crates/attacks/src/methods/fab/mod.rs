//! The fast adaptive boundary attack. Settings and restarts are in one file; the descent and its
//! step have their own.

mod descent;
mod step;

use self::descent::leave;
use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{Access, Attack, AttackBatch, AttackError, Eot, ModelAccess, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// FAB (Croce and Hein, arXiv 1907.02044, algorithm 1): the nearest adversarial image, in Linf, L2
/// or L1.
///
/// Each of 100 iterations takes the model for linear, and steps beyond the nearest boundary of the
/// linear model within the box, with a bias towards the original image. From an adversarial point
/// it steps back towards the original. An iteration costs a gradient for each boundary, and a
/// forward pass to see whether the point is adversarial: the next gradient could tell this as well,
/// but that costs a second gradient if the point is adversarial, which is the more frequent case.
///
/// The result is the nearest adversarial image found, if it is within the threat, otherwise the
/// original. Examples that have one leave before the next restart or target, unless a
/// [`Runner`](crate::Runner) says otherwise: then all are tried, and the nearest counts. If the
/// model is stochastic, the mean logits over `draws` draws, the same for all images, decide whether
/// an image is adversarial, and an example leaves only if its original is one.
///
/// As in the authors' code, the search along the segment that ends the published algorithm is left
/// out unless [asked for](Self::with_bisection). Without it the result is about a percent farther
/// than it could be.
///
/// ```
/// use cni_attacks::{Attack, Fab, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Fab::new(threat).name(), "FAB-100");
/// assert_eq!(Fab::targeted(threat).with_restarts(2)?.name(), "FAB-T-100-r2");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "fab")]
pub struct Fab {
    threat: Threat,
    /// The number of target classes that are tried in turn, instead of all classes at once.
    targets: Option<usize>,
    steps: usize,
    restarts: usize,
    alpha_max: f64,
    eta: f64,
    beta: f64,
    bisection: usize,
    #[serde(flatten)]
    eot: Eot,
}

impl Fab {
    /// FAB towards the nearest of all classes, with a gradient for each class in each iteration.
    /// Has no form for a [`Goal::Target`](crate::Goal::Target).
    pub fn new(threat: Threat) -> Self {
        Self {
            threat,
            targets: None,
            steps: 100,
            restarts: 1,
            alpha_max: 0.1,
            eta: 1.05,
            beta: 0.9,
            bisection: 0,
            eot: Eot::ONE,
        }
    }

    /// FAB-T (Croce and Hein, arXiv 2003.01690, section 4): towards each of the nine most likely
    /// wrong classes in turn, or all if there are fewer, with one gradient in each iteration. An
    /// image in any class but the true one is a result. For a [`Goal::Target`](crate::Goal::Target)
    /// it follows the margin of that class over the largest other, and only an image in that class
    /// is a result.
    pub fn targeted(threat: Threat) -> Self {
        Self { targets: Some(9), ..Self::new(threat) }
    }

    /// The number of target classes that are tried; an error if it is zero, or if the attack is not
    /// [`targeted`](Self::targeted).
    pub fn with_targets(self, targets: usize) -> Result<Self, AttackError> {
        let targets = at_least_one("targets", targets)?;
        match self.targets {
            Some(_) => Ok(Self { targets: Some(targets), ..self }),
            None => Err(AttackError::Unused {
                field: "targets",
                got: targets.to_string(),
                wanted: "none: only a targeted FAB has target classes",
            }),
        }
    }

    /// The number of iterations of a run; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of runs, for each target; an error if it is zero. The first starts at the image,
    /// each other at a random point at the distance ε/2, clipped to the box.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, AttackError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// The largest bias towards the original; an error unless in [0, 1].
    pub fn with_alpha_max(self, alpha_max: f64) -> Result<Self, AttackError> {
        let alpha_max = within("alpha_max", alpha_max, |a| (0.0..=1.0).contains(&a), "0 to 1")?;
        Ok(Self { alpha_max, ..self })
    }

    /// The length η of a step, in units of the way to the boundary; an error unless at least 1.
    pub fn with_eta(self, eta: f64) -> Result<Self, AttackError> {
        Ok(Self { eta: within("eta", eta, |eta| eta >= 1.0, "at least 1")?, ..self })
    }

    /// The share β of the change of an adversarial point that the step back keeps; an error unless
    /// in (0, 1).
    pub fn with_beta(self, beta: f64) -> Result<Self, AttackError> {
        let beta = within("beta", beta, |b| b > 0.0 && b < 1.0, "above 0 to below 1")?;
        Ok(Self { beta, ..self })
    }

    /// The number of halvings, after a run, of the segment from the original to the nearest
    /// adversarial image in search of the boundary. Each takes a forward pass. Default: 0. The
    /// paper's final search takes three steps.
    pub fn with_bisection(self, steps: usize) -> Self {
        Self { bisection: steps, ..self }
    }

    /// The number of draws of the model's noise that are averaged for each gradient, and for each
    /// test whether an image is adversarial; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }
}

impl FromSpec for Fab {
    const NAME: &'static str = "fab";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        let threat = of.need("threat")?;
        let attack = match of.take("targets")? {
            Some(targets) => Self::targeted(threat).with_targets(targets)?,
            None => Self::new(threat),
        };
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "restarts", Self::with_restarts)?;
        let attack = of.set(attack, "alpha_max", Self::with_alpha_max)?;
        let attack = of.set(attack, "eta", Self::with_eta)?;
        let attack = of.set(attack, "beta", Self::with_beta)?;
        let attack =
            of.set(attack, "bisection", |attack, value| Ok(attack.with_bisection(value)))?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(Fab);

impl Attack for Fab {
    /// `FAB-{steps}` or `FAB-T-{steps}`; with several draws `EOT-…x{draws}`; then `-r{restarts}`.
    fn name(&self) -> String {
        let targeted = if self.targets.is_some() { "-T" } else { "" };
        let mut name = format!("FAB{targeted}-{}", self.steps);
        name = self.eot.name(name);
        if self.restarts > 1 {
            name += &format!("-r{}", self.restarts);
        }
        name
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::Gradients
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        Some(self.eot.draws)
    }

    fn is_minimum_norm(&self) -> bool {
        true
    }

    knobs! {
        Steps(steps) => Self::with_steps,
        Restarts(restarts) => Self::with_restarts,
        Draws(eot.draws) => Self::with_draws,
    }

    fn cost(&self, classes: usize, _: bool) -> Option<Passes> {
        let others = classes.saturating_sub(1);
        let score = self.eot.score_cost();
        let (runs, boundaries, ranking) = match self.targets {
            Some(most) => (most.min(others), 1, score),
            None => (1, others, Passes::default()),
        };
        let step = self.eot.gradient_cost() * boundaries as u64 + score;
        let run = step * self.steps as u64 + score * self.bisection as u64;
        Some(score + ranking + run * (runs * self.restarts) as u64)
    }

    /// The draws that decide whether an image is adversarial.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        if self.targets.is_none() {
            batch.goal.check_untargeted(self.name())?;
        }
        let leaves = access.stops_early(true, batch)?;
        let mut search = NearestSearch::begin(access, self.threat, batch, self.eot, 0.0, key)?;
        if search.is_complete() {
            return Ok(search.finish());
        }
        let mut runs = self.boundaries(access, &search, key.named("targets"))?;
        'runs: for run in 0..runs.len() {
            for restart in 0..self.restarts as u64 {
                let key = key.child(run as u64).child(restart);
                let start = (restart > 0).then_some(key.named("start"));
                let key = key.named("gradient");
                let more = self.descend(access, &mut search, &mut runs, run, start, key)?;
                if leaves && !search.is_complete() {
                    leave(&mut search, &mut runs);
                }
                if !more || search.is_complete() {
                    break 'runs;
                }
            }
        }
        Ok(search.finish())
    }
}
