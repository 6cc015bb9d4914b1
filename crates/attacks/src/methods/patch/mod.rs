//! Adversarial patches: the attacker chooses the pixels of one square in each image, and its place.

mod place;
mod search;
mod settings;

use self::search::PatchSearch;
use crate::attack::spec;
use crate::knobs::knobs;
use crate::{Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// The search for a patch's location, in the terms of Rao et al., arXiv 2005.02313, section 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationSearch {
    /// No search: the patch stays at its random start (AP-Rand).
    None,
    /// A move in one random direction, if it raises the loss (AP-RandLO).
    Random,
    /// The best of the moves in all four directions, if it raises the loss (AP-FullLO).
    #[default]
    Full,
}

/// Square adversarial patch: in each image a square of `side` x `side` pixels is replaced, in all
/// channels. The attack searches for both its pixels and its location (Rao et al., arXiv
/// 2005.02313, section 3, algorithm 1).
///
/// Each image has a patch of its own. A run starts with uniform pixels at a random location within
/// the image. Each step moves the pixels of the patch by `step_size` along the sign of the loss's
/// gradient, and clips them to [0, 1]. After every `period` steps the patch is tried `stride`
/// pixels farther, in the directions of the [`LocationSearch`]. It moves to the place with the
/// largest loss if that loss is larger than the loss before the step; otherwise it stays.
///
/// The result is the best of all patches that were tried: the one that reaches the goal in the most
/// draws, and among equals the one with the larger margin. With `draws` above one every gradient
/// and every loss is an expectation over the model's noise (EOT). Gradients draw anew at every
/// step; all losses and margins are taken under the same draws, which no gradient sees. If the
/// model is deterministic, examples leave as soon as they reach the goal.
///
/// The set of all patches is not the ball of a norm. [`threat`](Attack::threat) is an Linf ball
/// that holds them all: [`Threat::whole_box`], unless [`with_threat`](Self::with_threat) limits how
/// far pixels may move. In addition, no pixel outside one square of each image differs from the
/// original.
///
/// # Deviations
///
/// A move that would leave the image ends at its border; in the authors' code the patch then stays
/// where it is. A patch may cover the middle of the image; there it may not. That code returns the
/// patch with the largest loss, without those that were only tried as moves. There, a patch that
/// moves to new pixels shows the values that were drawn for these at the start; here it takes its
/// content with it.
///
/// ```
/// use cni_attacks::{AdversarialPatch, Attack, LocationSearch};
/// let attack = AdversarialPatch::new(5)?;
/// assert_eq!(attack.name(), "Patch-5x5-100");
/// let random = attack.clone().with_location_search(LocationSearch::Random).with_restarts(3)?;
/// assert_eq!(random.name(), "Patch-5x5-100-RandLO-r3");
/// let noisy = attack.with_steps(50)?.with_draws(20)?;
/// assert_eq!(noisy.name(), "EOT-Patch-5x5-50x20");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "adversarial_patch")]
pub struct AdversarialPatch {
    side: usize,
    threat: Threat,
    steps: usize,
    step_size: f64,
    location_search: LocationSearch,
    stride: usize,
    period: usize,
    restarts: usize,
    #[serde(flatten)]
    eot: Eot,
    loss: Loss,
}

impl Attack for AdversarialPatch {
    /// `Patch-{side}x{side}-{steps}`; with several draws `EOT-…x{draws}` and the expectation; then
    /// the loss, `-RandLO` or `-Rand` for the search of the location, and `-r{restarts}` if they
    /// are not the defaults.
    fn name(&self) -> String {
        let Self { side, steps, .. } = self;
        let mut name = self.eot.name(format!("Patch-{side}x{side}-{steps}")) + &self.loss.suffix();
        name += match self.location_search {
            LocationSearch::None => "-Rand",
            LocationSearch::Random => "-RandLO",
            LocationSearch::Full => "",
        };
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

    knobs! {
        Steps(steps) => Self::with_steps,
        StepSize(step_size) => Self::with_step_size,
        Restarts(restarts) => Self::with_restarts,
        Draws(eot.draws) => Self::with_draws,
        Expectation(eot.expectation) => |attack, value| Ok(attack.with_expectation(value)),
        Loss(loss) => |attack, value| Ok(attack.with_loss(value)),
    }

    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let score = self.eot.score_cost();
        let directions = match self.location_search {
            LocationSearch::None => 0,
            LocationSearch::Random => 1,
            LocationSearch::Full => 4,
        };
        let moves = (self.steps / self.period * directions) as u64;
        let run = (self.eot.gradient_cost() + score) * self.steps as u64 + score * (moves + 1);
        Some(run * self.restarts as u64)
    }

    /// The draws that compare patches.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn min_classes(&self) -> usize {
        self.loss.classes()
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let [_, _, height, width] = batch.images.dims();
        let (got, wanted) = (self.side, height.min(width));
        if got > wanted {
            return Err(AttackError::Side { got, wanted });
        }
        let stop = access.stops_early(true, batch)?;
        let mut search = PatchSearch::new(self, batch, stop, key.named("score"));
        for restart in 0..self.restarts as u64 {
            search.run(access, key.child(restart))?;
            if search.is_complete() || !access.has_budget() {
                break;
            }
        }
        Ok(search.into_images())
    }
}
