//! Projected gradient ascent. FGSM, BIM, MI-FGSM, DI-FGSM, TI-FGSM and EOT-PGD are settings of it.

mod ascent;
mod continued;
mod diversity;
mod presets;
mod settings;
mod start;
mod translation;

pub use self::diversity::InputDiversity;
pub use self::start::RandomStart;
pub use self::translation::GradientKernel;

use self::ascent::Run;
use crate::attack::spec;
use crate::methods::shared::best::KeepBest;
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Iterate, Knob, Knobs, Loss, ModelAccess, Passes,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;
use std::sync::Arc;

/// Projected gradient descent (Madry et al., arXiv 1706.06083, section 2.1).
///
/// From a start in the ball, each step moves along the steepest direction of the norm and projects
/// back to ball and box: `x ← Π(x + step_size · steepest(∇score))`. With momentum `μ` the direction
/// is that of `m ← μ m + g / ‖g‖₁` (Dong et al., arXiv 1710.06081). In the L1 norm a step moves the
/// share `sparsity` of the coordinates with the largest slopes by equal amounts (Tramèr and Boneh,
/// arXiv 1904.13000), since the single steepest one meets the box at once. Two settings make
/// examples that mislead other models too: [`InputDiversity`] takes the gradient at a resized
/// image, and a [`GradientKernel`] averages it over shifts, in this order and before momentum.
/// Success is judged on the images themselves. With `draws` above one each gradient is an
/// expectation over the model's noise (EOT). Among several restarts, the result of each example is
/// the image that reaches the goal in the most draws, and among equals the one with the larger
/// margin. If the expectation is of logits or of probabilities, their mean over the draws decides
/// whether the goal is reached.
///
/// ```
/// use cni_attacks::{Attack, Iterate, Pgd, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Pgd::fgsm(threat).name(), "FGSM");
/// assert_eq!(Pgd::random_fgsm(threat).name(), "RS-FGSM");
/// assert_eq!(Pgd::n_fgsm(threat).name(), "N-FGSM");
/// assert_eq!(Pgd::bim(threat).name(), "BIM-10");
/// assert_eq!(Pgd::mi_fgsm(threat).name(), "MI-FGSM-10");
/// assert_eq!(Pgd::di_fgsm(threat).name(), "DI-FGSM-10");
/// assert_eq!(Pgd::ti_fgsm(threat).with_momentum(1.0)?.name(), "TI-MI-FGSM-10");
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
    random_start: RandomStart,
    restarts: usize,
    momentum: f64,
    // Records omit absent options, so that they read as before these options existed.
    /// The random resizing before each gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_diversity: Option<InputDiversity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<GradientKernel>,
    sparsity: f64,
    #[serde(flatten)]
    eot: Eot,
    loss: Loss,
    iterate: Iterate,
}

impl Pgd {
    /// Ten steps of ε/4 from a random start, on the cross-entropy, one draw, one run, the last
    /// iterate.
    pub fn new(threat: Threat) -> Self {
        Self {
            threat,
            steps: 10,
            step_size: threat.epsilon() / 4.0,
            random_start: RandomStart::uniform(),
            restarts: 1,
            momentum: 0.0,
            input_diversity: None,
            kernel: None,
            sparsity: 0.05,
            eot: Eot::ONE,
            loss: Loss::CrossEntropy,
            iterate: Iterate::Last,
        }
    }
}

impl Attack for Pgd {
    /// `FGSM`, `RS-FGSM`, `N-FGSM` from a start with a radius of its own, `BIM-{steps}`,
    /// `MI-FGSM-{steps}` or `PGD-{steps}`; `DI-…` with input diversity, `TI-…` with a kernel, and
    /// then `FGSM` in place of `BIM`; with several draws `EOT-…x{draws}`; then the expectation, the
    /// loss, `-r{restarts}` and `-best` if they are not the defaults.
    fn name(&self) -> String {
        let (epsilon, one) = (self.threat.epsilon(), self.steps == 1);
        let prefix = match (self.kernel.is_some(), self.input_diversity.is_some()) {
            (false, false) => "",
            (false, true) => "DI-",
            (true, false) => "TI-",
            (true, true) => "TI-DI-",
        };
        let mut name = match (self.random_start.is_random(), self.momentum > 0.0) {
            (false, false) if one && self.step_size == epsilon => "FGSM".to_string(),
            (true, false) if one && self.random_start.has_radius() => "N-FGSM".to_string(),
            (true, false) if one => "RS-FGSM".to_string(),
            (false, false) if prefix.is_empty() => format!("BIM-{}", self.steps),
            (false, false) => format!("FGSM-{}", self.steps),
            (false, true) => format!("MI-FGSM-{}", self.steps),
            (true, false) => format!("PGD-{}", self.steps),
            (true, true) => format!("MI-PGD-{}", self.steps),
        };
        name = self.eot.name(format!("{prefix}{name}"));
        name += &self.loss.suffix();
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

    fn access(&self) -> Access {
        Access::Gradients
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        Some(self.eot.draws)
    }

    fn min_classes(&self) -> usize {
        self.loss.classes()
    }

    fn knobs(&self) -> Knobs {
        Knobs {
            steps: Some(self.steps),
            step_size: Some(self.step_size),
            restarts: Some(self.restarts),
            draws: Some(self.eot.draws),
            expectation: Some(self.eot.expectation),
            loss: Some(self.loss.clone()),
            iterate: Some(self.iterate),
        }
    }

    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        Ok(Arc::new(self.turned(knob)?))
    }

    fn check(&self) -> Result<(), AttackError> {
        self.random_start.check(self.threat.epsilon())
    }

    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        Some(self.passes())
    }

    fn continued_cost(&self, more: Knob) -> Option<Passes> {
        self.passes_continued(more)
    }

    /// More steps go on from the results, which is what so many steps would have found if they are
    /// the last iterates of a single run without momentum. More restarts are further runs, each
    /// from a random start, whatever the start of the first; the better of what was there and what
    /// they find is kept.
    fn continued(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
        found: Tensor<4>,
        more: Knob,
    ) -> Result<Tensor<4>, AttackError> {
        match more {
            Knob::Steps(steps) => self.with_more_steps(access, batch, key, found, steps),
            Knob::Restarts(restarts) => self.with_more_runs(access, batch, key, found, restarts),
            _ => Err(more.lacked_by(self.name())),
        }
    }

    /// The draws that choose the result, or those of the last four gradients.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        if self.iterate == Iterate::Best || self.restarts > 1 {
            return vec![(key.named("score"), self.eot.draws)];
        }
        let steps = self.steps as u64;
        let last = steps.saturating_sub(4)..steps;
        last.map(|step| (key.child(0).child(step), self.eot.draws)).collect()
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let key_of_choice = key.named("score");
        let mut selection =
            KeepBest::of_loss(&batch.goal, self.loss.clone(), self.eot, key_of_choice);
        let best = self.iterate == Iterate::Best;
        // The choice of the best iterate needs the whole batch, so that no example may leave early.
        let stop = !best && access.wants_early_stop() && access.stops_early(false, batch)?;
        let ball = self.ball(batch);
        let mut last = batch.images.clone();
        for run in 0..self.restarts as u64 {
            let every = best.then_some(&mut selection);
            let key = key.child(run);
            let start = self.start(batch, &ball, key.named("start"));
            let run = Run { key, ball: ball.clone(), start, steps: 0..self.steps as u64 };
            last = self.ascend(access, batch.clone(), run, every, stop)?;
            if !best && self.restarts > 1 {
                selection.consider(access, &last, &batch.examples)?;
            }
            if !access.has_budget() {
                break;
            }
        }
        Ok(selection.into_images(last))
    }
}
