//! What APGD climbs, and in which balls.

use super::ascent::Ascent;
use super::{Apgd, Climb};
use crate::targets::targets;
use crate::{AttackError, Eot, Objective, Oracle, PairLoss, Problem};
use burn::tensor::Tensor;
use cni_noise::Key;

/// How a run deals with examples that reach the goal.
#[derive(Clone, Copy)]
pub(super) struct Early {
    pub stochastic: bool,
    pub stop: bool,
}

impl Apgd {
    /// The objectives that are climbed in turn.
    pub(super) fn objectives(
        &self,
        oracle: &mut Oracle<'_>,
        problem: &Problem,
        key: Key,
    ) -> Result<Vec<Objective>, AttackError> {
        match self.climb {
            Climb::Loss(loss) => Ok(vec![Objective::new(loss, &problem.goal)]),
            Climb::Targets(most) => targets(oracle, problem, self.score_eot(), key, most)
                .map(|pairs| pairs.into_iter().map(|pair| pair.objective(PairLoss::Dlr)).collect()),
        }
    }

    /// The expectation behind each score of a stochastic model.
    pub(super) fn score_eot(&self) -> Eot {
        Eot { draws: self.score_draws.unwrap_or(self.eot.draws), ..self.eot }
    }

    /// The balls of a run, from the first to that of the threat, and the iterations in each.
    pub(super) fn stages(&self) -> Vec<(f64, usize)> {
        let epsilon = self.threat.epsilon();
        if !self.enlarged {
            return vec![(epsilon, self.steps)];
        }
        let part = (3 * self.steps).div_ceil(10).min(self.steps);
        let rest = self.steps.saturating_sub(2 * part).max(1);
        vec![(3.0 * epsilon, part), (2.0 * epsilon, part), (epsilon, rest)]
    }

    /// A run on all examples of `problem`: its result, and which examples reached the goal.
    pub(super) fn climb(
        &self,
        oracle: &mut Oracle<'_>,
        problem: &Problem,
        objective: &Objective,
        key: Key,
        early: Early,
    ) -> Result<(Tensor<4>, Vec<bool>), AttackError> {
        let stages = self.stages();
        let mut start = None;
        for (stage, &(epsilon, steps)) in stages.iter().enumerate() {
            let last = stage + 1 == stages.len();
            let ascent = Ascent {
                norm: self.threat.norm(),
                epsilon,
                steps,
                rho: self.rho,
                eot: self.eot,
                score: early.stochastic.then_some(self.score_eot()),
                // Beyond the threat's ball nothing is found.
                stop: early.stop && last,
            };
            let key = key.child(stage as u64);
            let (best, reached) = ascent.run(oracle, problem, objective, key, start.take())?;
            if last {
                return Ok((best, reached));
            }
            // A budget that ends in a larger ball leaves its best point, brought into the threat's.
            if !oracle.has_budget() {
                let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
                return Ok((norm.project(best, &problem.images, epsilon), reached));
            }
            start = Some(best);
        }
        unreachable!("the last stage returns")
    }
}
