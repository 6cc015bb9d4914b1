//! The Square attack: a random search with one query for each candidate.

mod pattern;
mod proposal;
mod search;
mod window;

use self::search::SquareSearch;
use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Expectation, ModelAccess, Passes, Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// The Square attack (Andriushchenko et al., arXiv 1912.00049, algorithms 1 to 3; in the L1 norm
/// Croce and Hein, arXiv 2103.01208).
///
/// Random search on the margin, [`Loss::Margin`](crate::Loss::Margin), without any gradient. A
/// start of stripes (Linf) or tiles (L2, L1) is changed within a random square window, and the
/// change is kept if the score rises. Windows cover a share `p` of the pixels that falls in steps
/// with the number of queries. In Linf each channel of a window moves to the upper or the lower end
/// of ball and box; in L2 and L1 a second window gives its part of the perturbation's length to the
/// first. If the model is deterministic, examples leave as soon as they reach the goal.
///
/// A stochastic model is scored by the mean over `draws` draws of its noise, the same for all
/// candidates, and no example leaves before the end (EOT-Square).
///
/// # Deviations
///
/// The differences from the authors' code:
///
/// - Windows and signs are drawn for each example by itself, as a function of the key and the
///   example's number. There, one window serves the whole batch.
/// - A window can reach the last row and column.
/// - If the image is shorter than a window in one direction, the window becomes longer in the
///   other.
/// - The start is one of the queries.
/// - The score is the margin for a target class as well.
///
/// ```
/// use cni_attacks::{Attack, Square, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Square::new(threat).name(), "Square-5000");
/// let noisy = Square::new(threat).with_queries(1000)?.with_draws(20)?;
/// assert_eq!(noisy.name(), "EOT-Square-1000x20");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "square")]
pub struct Square {
    threat: Threat,
    queries: usize,
    p_init: f64,
    restarts: usize,
    rescaled_schedule: bool,
    #[serde(flatten)]
    eot: Eot,
}

impl Square {
    /// The settings of AutoAttack: 5000 queries in one run, first windows of 80 % of the pixels, no
    /// rescaled schedule, one draw.
    pub fn new(threat: Threat) -> Self {
        Self {
            threat,
            queries: 5000,
            p_init: 0.8,
            restarts: 1,
            rescaled_schedule: false,
            eot: Eot::ONE,
        }
    }

    /// The number of queries of a run, each of `draws` forward passes; an error if it is zero.
    pub fn with_queries(self, queries: usize) -> Result<Self, AttackError> {
        Ok(Self { queries: at_least_one("queries", queries)?, ..self })
    }

    /// The share of the pixels that the first windows cover, `p_init`; an error unless in (0, 1].
    pub fn with_p_init(self, p_init: f64) -> Result<Self, AttackError> {
        let p_init = within("p_init", p_init, |p| p > 0.0 && p <= 1.0, "above 0 to 1")?;
        Ok(Self { p_init, ..self })
    }

    /// The number of runs; an error if it is zero. Among several, the result of an example is the
    /// image that reaches the goal in the most draws, and among equals the one with the larger
    /// margin.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, AttackError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// Sets whether the schedule, made for 10 000 queries, is stretched or shrunk to the number of
    /// queries. AutoAttack does not rescale it.
    pub fn with_rescaled_schedule(self, rescaled_schedule: bool) -> Self {
        Self { rescaled_schedule, ..self }
    }

    /// The number of draws of the model's noise that are averaged for each score; an error if it is
    /// zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The quantity that is averaged over the draws: losses, logits or probabilities.
    pub fn with_expectation(self, expectation: Expectation) -> Self {
        Self { eot: Eot { expectation, ..self.eot }, ..self }
    }

    /// The share of the pixels that a window covers at a step, counted from 0. It is halved after
    /// each of nine steps.
    fn share_at(&self, step: usize) -> f64 {
        const MARKS: [usize; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
        let step = match self.rescaled_schedule {
            true => (step as f64 / self.queries as f64 * 10_000.0) as usize,
            false => step,
        };
        let halvings = MARKS.iter().filter(|mark| step > **mark).count();
        self.p_init / (1 << halvings) as f64
    }
}

impl FromSpec for Square {
    const NAME: &'static str = "square";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.rename("share", "p_init");
        let attack = Self::new(of.need("threat")?);
        let attack = of.set(attack, "queries", Self::with_queries)?;
        let attack = of.set(attack, "p_init", Self::with_p_init)?;
        let attack = of.set(attack, "restarts", Self::with_restarts)?;
        let attack = of.set(attack, "rescaled_schedule", |attack, value| {
            Ok(attack.with_rescaled_schedule(value))
        })?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        of.done(attack)
    }
}

deserialize_from_spec!(Square);

impl Attack for Square {
    /// `Square-{queries}`; with several draws `EOT-…x{draws}` and the expectation; then
    /// `-r{restarts}`.
    fn name(&self) -> String {
        let mut name = format!("Square-{}", self.queries);
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
        Access::Scores
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    // The knob for steps sets the queries.
    knobs! {
        Steps(queries) => Self::with_queries,
        Restarts(restarts) => Self::with_restarts,
        Draws(eot.draws) => Self::with_draws,
        Expectation(eot.expectation) => |attack, value| Ok(attack.with_expectation(value)),
    }

    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let queries = (self.restarts * self.queries * self.eot.draws) as u64;
        Some(Passes { forwards: queries, backwards: 0 })
    }

    /// The draws that score every query.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let stop = access.stops_early(true, batch)?;
        let mut search = SquareSearch::new(self, batch, stop, key);
        for restart in 0..self.restarts as u64 {
            search.run(access, key.child(restart))?;
            if search.is_complete() || !access.has_budget() {
                break;
            }
        }
        Ok(search.images())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_shrink_by_the_schedule_of_the_reference() {
        let square = Square::new(Threat::linf(0.1).unwrap());
        let part = |square: &Square, step| (0.8 / square.share_at(step)).round() as usize;
        let steps = [0, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001];
        let wanted = [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
        assert_eq!(steps.map(|step| part(&square, step)), wanted);
        let rescaled = square.with_rescaled_schedule(true);
        assert_eq!([5, 6, 26, 4001].map(|step| part(&rescaled, step)), [1, 2, 4, 512]);
    }
}
