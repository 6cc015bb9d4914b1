//! Auto-PGD: projected gradient ascent with momentum that finds its own step size.

mod active_run;
mod ascent;
mod schedule;
mod settings;
mod stages;

use self::stages::RunMode;
use crate::attack::spec;
use crate::methods::shared::best::KeepBest;
use crate::rows::ActiveRows;
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Knob, Knobs, Loss, ModelAccess, PairLoss,
    Passes, Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;
use std::sync::Arc;

/// The objective that APGD raises.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ObjectiveKind {
    /// A loss towards the goal.
    Loss(Loss),
    /// The targeted DLR loss towards each of the most likely wrong classes in turn.
    Targets(usize),
}

/// Auto-PGD (Croce and Hein, arXiv 2003.01690, section 3; in the L1 norm arXiv 2103.01208, section
/// 4).
///
/// A run of 100 iterations starts at a random point of the ball's surface, moves with momentum,
/// halves its steps at checkpoints without enough progress, and then continues from its best point.
/// Further restarts and targets attack the examples that are still robust. The result is the point
/// that reached the goal, otherwise the one with the best score. If the model is stochastic, it is
/// the point that reaches the goal in the most draws, and among equals the one with the best
/// margin.
///
/// For a stochastic model the gradient is a mean over `draws` draws. Step sizes, the best point and
/// the result depend on the mean score over `score_draws` other draws, the same at every iteration,
/// and no example counts as broken before the end. The reference uses the single last draw of each
/// gradient for all of these.
///
/// At the first checkpoint, the reference counts rises by comparing the first iterate with zero;
/// this implementation compares it with the start.
///
/// ```
/// use cni_attacks::{Apgd, Attack, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Apgd::cross_entropy(threat).name(), "APGD-CE-100");
/// assert_eq!(Apgd::dlr(threat).with_steps(50)?.name(), "APGD-DLR-50");
/// assert_eq!(Apgd::targeted(threat).name(), "APGD-T-100");
/// assert_eq!(Apgd::dlr(threat).with_draws(20)?.name(), "EOT-APGD-DLR-100x20");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "apgd")]
pub struct Apgd {
    threat: Threat,
    #[serde(flatten)]
    kind: ObjectiveKind,
    steps: usize,
    restarts: usize,
    rho: f64,
    #[serde(flatten)]
    eot: Eot,
    score_draws: Option<usize>,
    #[serde(rename = "use_larger_epsilons")]
    enlarged: bool,
}

impl Apgd {
    fn new(threat: Threat, kind: ObjectiveKind) -> Self {
        Self {
            threat,
            kind,
            steps: 100,
            restarts: 1,
            rho: 0.75,
            eot: Eot::ONE,
            score_draws: None,
            enlarged: false,
        }
    }

    /// On the cross-entropy.
    pub fn cross_entropy(threat: Threat) -> Self {
        Self::new(threat, ObjectiveKind::Loss(Loss::CrossEntropy))
    }

    /// On the difference of logits ratio, [`Loss::Dlr`]. Wants three classes.
    pub fn dlr(threat: Threat) -> Self {
        Self::new(threat, ObjectiveKind::Loss(Loss::Dlr))
    }

    /// On the targeted form of the difference of logits ratio,
    /// [`PairLoss::Dlr`](crate::PairLoss::Dlr), towards each of the nine most likely wrong classes,
    /// or all if there are fewer. Needs four classes. For a [`Goal::Target`](crate::Goal::Target),
    /// that class is the only target.
    pub fn targeted(threat: Threat) -> Self {
        Self::new(threat, ObjectiveKind::Targets(9))
    }
}

impl Attack for Apgd {
    /// `APGD-CE-{steps}`, `APGD-DLR-{steps}`, `APGD-T-{steps}`; with several draws `EOT-…x{draws}`;
    /// then `-r{restarts}`.
    fn name(&self) -> String {
        let objective = match &self.kind {
            ObjectiveKind::Loss(Loss::CrossEntropy) => "-CE".into(),
            ObjectiveKind::Loss(loss) => loss.suffix(),
            ObjectiveKind::Targets(_) => "-T".into(),
        };
        let mut name = format!("APGD{objective}-{}", self.steps);
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

    /// The knobs have no loss if the attack is targeted.
    fn knobs(&self) -> Knobs {
        Knobs {
            steps: Some(self.steps),
            restarts: Some(self.restarts),
            draws: Some(self.eot.draws),
            expectation: Some(self.eot.expectation),
            loss: match &self.kind {
                ObjectiveKind::Loss(loss) => Some(loss.clone()),
                ObjectiveKind::Targets(_) => None,
            },
            ..Knobs::default()
        }
    }

    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        let attack = self.clone();
        Ok(Arc::new(match (knob.clone(), &self.kind) {
            (Knob::Epsilon(epsilon), _) => {
                Self { threat: self.threat.with_epsilon(epsilon)?, ..attack }
            }
            (Knob::Steps(steps), _) => attack.with_steps(steps)?,
            (Knob::Restarts(restarts), _) => attack.with_restarts(restarts)?,
            (Knob::Draws(draws), _) => attack.with_draws(draws)?,
            (Knob::Expectation(expectation), _) => attack.with_expectation(expectation),
            (Knob::Loss(loss), ObjectiveKind::Loss(_)) => attack.with_loss(loss)?,
            _ => return Err(knob.lacked_by(self.name())),
        }))
    }

    fn cost(&self, classes: usize, stochastic: bool) -> Option<Passes> {
        Some(self.passes(classes, stochastic))
    }

    /// The draws that choose between runs, or the best point of the only run.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        let several = self.restarts > 1 || matches!(self.kind, ObjectiveKind::Targets(2..));
        let key = match several {
            true => key.named("result"),
            false => {
                let last = self.stages().len() as u64 - 1;
                key.child(0).child(0).child(last).named("score")
            }
        };
        vec![(key, self.score_eot().draws)]
    }

    fn min_classes(&self) -> usize {
        match &self.kind {
            ObjectiveKind::Loss(loss) => loss.classes(),
            ObjectiveKind::Targets(_) => PairLoss::Dlr.classes(),
        }
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let stochastic = access.is_stochastic(batch)?;
        let mode = RunMode { stochastic, stop: access.stops_early(true, batch)? };
        let objectives = self.objectives(access, batch, key.named("targets"))?;
        let mut active = ActiveRows::new(batch.len());
        // Scores of different objectives do not compare, margins do.
        let mut best = KeepBest::new(&batch.goal, self.score_eot(), key.named("result"));
        let several = objectives.len() * self.restarts > 1;
        let (mut left, mut objectives) = (batch.clone(), objectives);
        let mut result = batch.images.clone();
        'runs: for target in 0..objectives.len() {
            for restart in 0..self.restarts {
                let key = key.child(target as u64).child(restart as u64);
                let (images, reached) =
                    self.run_stages(access, &left, &objectives[target], key, mode)?;
                result = images;
                if several {
                    best.consider(access, &result, &left.examples)?;
                    result = best.images().cloned().unwrap_or(result);
                }
                if mode.stop
                    && let Some(rows) = active.take(&reached, &result)
                {
                    if active.is_complete() {
                        break 'runs;
                    }
                    left = left.select(&rows);
                    objectives = objectives.iter().map(|one| one.select(&rows)).collect();
                    result = rows.of(&result);
                    best.select(&rows);
                }
                if !access.has_budget() {
                    break 'runs;
                }
            }
        }
        Ok(active.finish(result))
    }
}
