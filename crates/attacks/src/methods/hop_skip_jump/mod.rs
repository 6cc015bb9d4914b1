//! HopSkipJump: the nearest adversarial image by decisions alone.

mod boundary_walk;

use self::boundary_walk::{BoundaryWalk, HALVINGS};
use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::methods::shared::decision::{Decisions, Started};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{Access, Attack, AttackBatch, AttackError, ModelAccess, Norm, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// HopSkipJump (Chen et al., arXiv 1904.02144, algorithm 2), for the L2 and the Linf norm.
///
/// The attack only uses decisions: whether an image reaches the goal. It starts with a random image
/// that does, and a binary search towards the original finds the boundary. There the mean of random
/// directions, each with the sign of the decision a little way along it, estimates the boundary's
/// normal; the mean decision is subtracted first, for less variance. A step along the normal,
/// halved until it stays adversarial, and a binary search end the iteration. The `t`-th takes `B₀
/// √t` decisions for the normal, and steps `1/√t` of the distance at first.
///
/// The result is the nearest adversarial image if its distance is at most the threat's ε, otherwise
/// the original. Images that reach the goal already stay as they are, and so do images without an
/// adversarial start. For a target class these may be most images, unless [images of that
/// class](Self::with_starts) are given to start from.
///
/// A stochastic model decides by vote: an image counts as adversarial if it is so in more than half
/// of `draws` draws of the noise. The draws are the same throughout, so that the boundary does not
/// move.
///
/// A budget of forward passes is kept exactly: the last normal is estimated from the passes that
/// remain.
///
/// # Deviations
///
/// In Linf samples reach `√d` times as far as in the paper, since single precision would lose them
/// otherwise. The nearest image of all iterations counts, not the last.
///
/// ```
/// use cni_attacks::{Attack, HopSkipJump, Threat};
/// let attack = HopSkipJump::new(Threat::l2(0.5)?)?;
/// assert_eq!(attack.name(), "HopSkipJump-40");
/// assert_eq!(attack.with_draws(9)?.name(), "HopSkipJump-40x9");
/// assert!(HopSkipJump::new(Threat::l1(12.0)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "attack", rename = "hop_skip_jump")]
pub struct HopSkipJump {
    threat: Threat,
    steps: usize,
    first_samples: usize,
    most_samples: usize,
    gamma: f64,
    #[serde(flatten)]
    decisions: Decisions,
}

/// The number of values of the largest image for which [`cost`](Attack::cost) is a bound.
const MOST_VALUES: f64 = 16_777_216.0;

impl HopSkipJump {
    /// 40 iterations, 100 √t decisions for the `t`-th normal and at most 10 000, at most 1000
    /// random images to start from, γ = 1, one draw; an error unless the norm is L2 or Linf.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() == Norm::L1 {
            let wanted = &[Norm::Linf, Norm::L2];
            return Err(AttackError::Norm { got: threat.norm(), wanted });
        }
        Ok(Self {
            threat,
            steps: 40,
            first_samples: 100,
            most_samples: 10_000,
            gamma: 1.0,
            decisions: Decisions::new(),
        })
    }

    /// The number of iterations; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The decisions for the first normal, `B₀`, and the most for any; an error if one is zero.
    pub fn with_samples(self, first: usize, most: usize) -> Result<Self, AttackError> {
        let first_samples = at_least_one("first_samples", first)?;
        Ok(Self { first_samples, most_samples: at_least_one("most_samples", most)?, ..self })
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

    /// The coarseness γ of the binary searches: they end within `γ d^(−3/2)` of the distance in L2
    /// and `γ d⁻²` in Linf, for images of `d` values; an error unless finite and positive.
    pub fn with_gamma(self, gamma: f64) -> Result<Self, AttackError> {
        Ok(Self { gamma: within("gamma", gamma, |gamma| gamma > 0.0, "above 0")?, ..self })
    }

    /// The number of draws of the model's noise that vote on each decision; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { decisions: self.decisions.with_draws(draws)?, ..self })
    }

    /// The precision of a binary search as a share of the distance, `θ`, for images of so many
    /// values.
    fn precision(&self, values: f64) -> f64 {
        let exponent = if self.threat.norm() == Norm::Linf { 2.0 } else { 1.5 };
        self.gamma / values.powf(exponent)
    }

    /// The number of halvings of a binary search.
    fn halvings(&self, values: f64) -> usize {
        self.precision(values).recip().log2().ceil().max(1.0) as usize
    }

    /// The decisions for the normal of an iteration, counted from 1.
    fn samples(&self, step: usize) -> usize {
        let samples = (self.first_samples as f64 * (step as f64).sqrt()) as usize;
        samples.min(self.most_samples)
    }
}

impl FromSpec for HopSkipJump {
    const NAME: &'static str = "hop_skip_jump";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "gamma", Self::with_gamma)?;
        let first = of.take("first_samples")?.unwrap_or(attack.first_samples);
        let most = of.take("most_samples")?.unwrap_or(attack.most_samples);
        let attack = attack.with_samples(first, most)?;
        let attack = Self { decisions: Decisions::from_spec(&mut of)?, ..attack };
        of.done(attack)
    }
}

deserialize_from_spec!(HopSkipJump);

impl Attack for HopSkipJump {
    /// `HopSkipJump-{steps}`, with several draws `HopSkipJump-{steps}x{draws}`.
    fn name(&self) -> String {
        self.decisions.name(format!("HopSkipJump-{}", self.steps))
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

    /// For images of at most 2²⁴ values, on which the number of halvings depends.
    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let halvings = self.halvings(MOST_VALUES);
        let samples: usize = (1..=self.steps).map(|step| self.samples(step)).sum();
        let walk = (self.steps + 1) * halvings + self.steps * HALVINGS + samples;
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
        let walk = BoundaryWalk::new(self, left, x, vote);
        Ok(active.finish(walk.run(access, key)?))
    }
}
