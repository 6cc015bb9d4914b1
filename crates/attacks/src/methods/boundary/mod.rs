//! The Boundary attack: the nearest adversarial image by decisions alone, along random steps.

mod pace;
mod walk;

use self::walk::Walk;
use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::methods::shared::decision::{Decisions, Started};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{Access, Attack, AttackBatch, AttackError, ModelAccess, Norm, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// The Boundary attack (Brendel et al., arXiv 1712.04248, algorithm 1), in L2.
///
/// The attack only uses decisions: whether an image reaches the goal. It starts at a random image
/// that does, and moves it near the boundary by ten halvings of the way to the original. Each of
/// 25 000 steps draws a random direction orthogonal to the line to the original, takes a step of
/// 0.01 of the distance along it, returns to the sphere around the original, and goes 0.01 of the
/// distance towards the original. If the new image is adversarial and nearer, the next step starts
/// there.
///
/// Every tenth step also asks whether the image on the sphere is adversarial. Both step sizes grow
/// by the factor 1.5 if more than half of the last 100 such images were adversarial, and shrink by
/// it if fewer than a fifth were. The step towards the original also grows by this factor if more
/// than a quarter of the last 30 whole steps were adversarial, and shrinks by it if fewer than a
/// tenth were. An example leaves once its step towards the original is shorter than 1e-7 of the
/// distance.
///
/// The result is the nearest image if its distance is at most the threat's ε, otherwise the
/// original. Images that reach the goal already stay as they are, and so do images without an
/// adversarial start. For a target class these may be most images, unless [images of that
/// class](Self::with_starts) are given to start from.
///
/// A stochastic model decides by vote: an image counts as adversarial if it is so in more than half
/// of `draws` draws of the noise. The draws are the same throughout, so that the boundary does not
/// move. A budget of forward passes is kept exactly.
///
/// [`HopSkipJump`](crate::HopSkipJump) comes as near with far fewer decisions, by the measurements
/// of its authors.
///
/// # Deviations
///
/// Step sizes, windows and rates are those of foolbox's `BoundaryAttack`. There, one direction
/// serves a whole batch, and an example that has left returns if its steps grow again while others
/// still walk. Here an example's result does not depend on its batch. There, the start is not found
/// by halvings: it is the first adversarial one of 51 points on the line from the original to a
/// random image.
///
/// ```
/// use cni_attacks::{Attack, BoundaryAttack, Threat};
/// let attack = BoundaryAttack::new(Threat::l2(0.5)?)?;
/// assert_eq!(attack.name(), "Boundary-25000");
/// assert_eq!(attack.with_steps(5000)?.with_draws(9)?.name(), "Boundary-5000x9");
/// assert!(BoundaryAttack::new(Threat::linf(0.03)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "attack", rename = "boundary")]
pub struct BoundaryAttack {
    threat: Threat,
    steps: usize,
    across: f64,
    towards: f64,
    adaptation: f64,
    interval: usize,
    convergence: f64,
    #[serde(flatten)]
    decisions: Decisions,
}

/// The number of halvings of the way from the start to the original.
const HALVINGS: usize = 10;

impl BoundaryAttack {
    /// The settings above, at most 1000 random images to start from, and one draw; an error unless
    /// the norm is L2.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() != Norm::L2 {
            return Err(AttackError::Norm { got: threat.norm(), wanted: &[Norm::L2] });
        }
        Ok(Self {
            threat,
            steps: 25_000,
            across: 0.01,
            towards: 0.01,
            adaptation: 1.5,
            interval: 10,
            convergence: 1e-7,
            decisions: Decisions::new(),
        })
    }

    /// The most steps; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The sizes of the first step across the line to the original and of the first step towards
    /// it, as shares of the distance; an error unless the first is above 0, and the second above 0
    /// and below 1.
    pub fn with_step_sizes(self, across: f64, towards: f64) -> Result<Self, AttackError> {
        let across = within("across", across, |size| size > 0.0, "above 0")?;
        let part = |size| size > 0.0 && size < 1.0;
        let towards = within("towards", towards, part, "above 0 and below 1")?;
        Ok(Self { across, towards, ..self })
    }

    /// The factor by which step sizes grow and shrink; an error unless above 1.
    pub fn with_adaptation(self, factor: f64) -> Result<Self, AttackError> {
        let adaptation = within("adaptation", factor, |factor| factor > 1.0, "above 1")?;
        Ok(Self { adaptation, ..self })
    }

    /// The number of steps from one adaptation of the step sizes to the next; an error if it is
    /// zero. A step that adapts them asks for two decisions.
    pub fn with_interval(self, interval: usize) -> Result<Self, AttackError> {
        Ok(Self { interval: at_least_one("interval", interval)?, ..self })
    }

    /// The size of the step towards the original, as a share of the distance, below which an
    /// example's walk ends; 0 for never; an error unless at least 0.
    pub fn with_convergence(self, share: f64) -> Result<Self, AttackError> {
        let convergence = within("convergence", share, |share| share >= 0.0, "at least 0")?;
        Ok(Self { convergence, ..self })
    }

    /// The largest number of random images that are tried as a start; an error if it is zero.
    pub fn with_tries(self, tries: usize) -> Result<Self, AttackError> {
        Ok(Self { decisions: self.decisions.with_tries(tries)?, ..self })
    }

    /// Images to start from, `[any, channels, height, width]` with pixels in [0, 1], tried in their
    /// order before random ones: a targeted attack needs some of every target class.
    ///
    /// # Errors
    ///
    /// If there is no image, or if a pixel is not finite or outside [0, 1]. A pixel that is outside
    /// by at most 1e-6 is clipped.
    pub fn with_starts(self, starts: Tensor<4>) -> Result<Self, AttackError> {
        Ok(Self { decisions: self.decisions.with_starts(starts)?, ..self })
    }

    /// The number of draws of the model's noise that vote on each decision; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { decisions: self.decisions.with_draws(draws)?, ..self })
    }
}

impl FromSpec for BoundaryAttack {
    const NAME: &'static str = "boundary";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "adaptation", Self::with_adaptation)?;
        let attack = of.set(attack, "interval", Self::with_interval)?;
        let attack = of.set(attack, "convergence", Self::with_convergence)?;
        let across = of.take("across")?.unwrap_or(attack.across);
        let towards = of.take("towards")?.unwrap_or(attack.towards);
        let attack = attack.with_step_sizes(across, towards)?;
        let attack = Self { decisions: Decisions::from_spec(&mut of)?, ..attack };
        of.done(attack)
    }
}

deserialize_from_spec!(BoundaryAttack);

impl Attack for BoundaryAttack {
    /// `Boundary-{steps}`, with several draws `Boundary-{steps}x{draws}`.
    fn name(&self) -> String {
        self.decisions.name(format!("Boundary-{}", self.steps))
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::Decisions
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    fn is_minimum_norm(&self) -> bool {
        true
    }

    knobs! {
        Steps(steps) => Self::with_steps,
        Draws(decisions.draws) => Self::with_draws,
    }

    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let walk = HALVINGS + self.steps + self.steps / self.interval;
        let decisions = self.decisions.most_to_start() + walk;
        Some(Passes { forwards: (decisions * self.decisions.draws) as u64, backwards: 0 })
    }

    /// The draws that vote on every decision.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("decision"), self.decisions.draws)]
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let Some(Started { active, batch: left, x, vote }) =
            self.decisions.start(access, batch, key)?
        else {
            return Ok(batch.images.clone());
        };
        let x = vote.approach(access, &left, Norm::L2, &x, HALVINGS)?;
        let walk = Walk::new(self, left, x, vote);
        Ok(active.finish(walk.run(access, key.named("walk"))?))
    }
}
