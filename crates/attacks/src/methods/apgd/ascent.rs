//! One run of APGD in one ball.

use super::active_run::{ActiveRun, StepSchedule, moved};
use super::schedule::{Schedule, SparseSchedule};
use crate::methods::shared::best::Merit;
use crate::objective::eot::Success;
use crate::rows::{ActiveRows, per_row, where_rows};
use crate::threat::Ball;
use crate::{AttackBatch, AttackError, Eot, ModelAccess, Norm, Objective};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The weight of the new step in a step with momentum.
const NEW: f64 = 0.75;

/// The parameters of a run.
pub(super) struct Ascent {
    pub norm: Norm,
    pub epsilon: f64,
    pub steps: usize,
    pub rho: f64,
    pub eot: Eot,
    /// The expectation that scores candidates of a stochastic model.
    pub score: Option<Eot>,
    /// True if examples leave once they have reached the goal.
    pub stop: bool,
    /// True if this is the last ball, whose result is the best point for the goal. Otherwise the
    /// result is the point with the best score, the start in the next ball.
    pub last: bool,
}

/// The start of a run in its ball.
pub(super) enum Start {
    /// At a random point. In L1 the first steps move a fifth of the coordinates.
    Fresh(Tensor<4>),
    /// At a point that was brought into the ball from a larger one. In L1 the first steps move as
    /// many coordinates as the sparsity of the point says.
    From(Tensor<4>),
}

/// The evaluation of a point.
struct Evaluated {
    gradient: Tensor<4>,
    scores: Vec<f64>,
    reached: Vec<bool>,
    /// Empty if examples leave once they have reached the goal.
    merits: Vec<Merit>,
}

impl Ascent {
    /// A run from a start in the ball.
    ///
    /// If examples leave, the result of each is the point that reached the goal, otherwise the one
    /// with the best score. If none leaves, it is the point that reaches the goal most often, among
    /// equals the one with the best margin. Also returns which rows left.
    pub fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        objective: &Objective,
        key: Key,
        start: Start,
    ) -> Result<(Tensor<4>, Vec<bool>), AttackError> {
        let mut active = ActiveRows::new(batch.len());
        let (x, moved) = match start {
            Start::Fresh(x) => (x, None),
            Start::From(x) => {
                let moved = moved(&x, &batch.images);
                (x, Some(moved))
            }
        };
        let evaluated = self.evaluate(access, batch, objective, &x, key, 0)?;
        let mut run = ActiveRun {
            batch: batch.clone(),
            objective: objective.clone(),
            ball: Ball::new(self.norm, self.epsilon, &batch.images),
            previous: x.clone(),
            best: x.clone(),
            gradient: evaluated.gradient.clone(),
            best_gradient: evaluated.gradient,
            result: (self.last && !self.stop).then(|| (x.clone(), evaluated.merits)),
            schedule: self.schedule(batch, &evaluated.scores, moved),
            x,
        };
        let mut complete = self.stop && run.leave(&mut active, &evaluated.reached);
        let mut step = 0;
        while !complete && step < self.steps {
            step += 1;
            let next = self.next(&run, step == 1);
            run.previous = std::mem::replace(&mut run.x, next);
            let ActiveRun { batch, objective, x, .. } = &run;
            let evaluated = self.evaluate(access, batch, objective, x, key, step)?;
            let better = match &mut run.schedule {
                StepSchedule::Momentum(schedule) => schedule.record(&evaluated.scores),
                StepSchedule::Sparse(schedule) => schedule.record(&evaluated.scores),
            };
            run.best = where_rows(&better, run.best, &run.x);
            run.best_gradient = where_rows(&better, run.best_gradient, &evaluated.gradient);
            run.gradient = evaluated.gradient;
            run.keep(evaluated.merits);
            let more = access.proceed(&run.batch, &run.x, &evaluated.scores, self.norm);
            complete = self.stop && run.leave(&mut active, &evaluated.reached) || !more;
            if !complete {
                run.check();
            }
        }
        let mut reached = vec![true; batch.len()];
        active.remaining().iter().for_each(|&row| reached[row] = false);
        let rest = run.result.map_or(run.best, |(images, _)| images);
        Ok((active.finish(rest), reached))
    }

    fn schedule(
        &self,
        batch: &AttackBatch,
        scores: &[f64],
        moved: Option<Vec<f64>>,
    ) -> StepSchedule {
        match self.norm {
            Norm::L1 => {
                let pixels = batch.images.dims()[1..].iter().product();
                let moved = moved.as_deref();
                StepSchedule::Sparse(SparseSchedule::new(
                    self.steps,
                    self.epsilon,
                    pixels,
                    scores,
                    moved,
                ))
            }
            _ => StepSchedule::Momentum(Schedule::new(
                self.steps,
                self.rho,
                2.0 * self.epsilon,
                scores,
            )),
        }
    }

    /// Gradient and score at a point.
    ///
    /// The draws of the gradient are new at every step; those of the score are the same throughout,
    /// so that points are compared under equal noise.
    fn evaluate(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        objective: &Objective,
        x: &Tensor<4>,
        key: Key,
        step: usize,
    ) -> Result<Evaluated, AttackError> {
        let of_step = key.named("gradient").child(step as u64);
        let (goal, examples) = (&batch.goal, &batch.examples);
        let found = access.gradient(x, objective, examples, self.eot, of_step)?;
        let gradient = found.gradient;
        if self.stop {
            let reached = goal.reached(&found.logits).float();
            let [scores, reached] = access.read([found.score, reached])?;
            let reached = reached.into_iter().map(|reached| reached > 0.0).collect();
            return Ok(Evaluated { gradient, scores, reached, merits: Vec::new() });
        }
        let (score, success) = match self.score {
            None => (found.score, Success::of(found.logits, goal)?),
            Some(eot) => {
                let key = key.named("score");
                let (scores, success) = access.success(x, objective, goal, examples, eot, key)?;
                (scores.score, success)
            }
        };
        let lists = access.read([success.reached, success.margin, score])?;
        let merits = Merit::rows(&lists);
        let [_, _, scores] = lists;
        Ok(Evaluated { gradient, scores, reached: Vec::new(), merits })
    }

    fn next(&self, run: &ActiveRun, first: bool) -> Tensor<4> {
        let x = &run.x;
        let gradient = run.gradient.clone();
        match &run.schedule {
            StepSchedule::Momentum(schedule) => {
                let momentum = (!first).then(|| (run.previous.clone(), NEW));
                run.ball.steps(x.clone(), gradient, &schedule.steps(), momentum)
            }
            StepSchedule::Sparse(schedule) => {
                let steps = per_row(&schedule.steps(), x);
                let ahead = Norm::sparse_step(gradient, &schedule.shares()) * steps;
                run.ball.project(x.clone() + ahead)
            }
        }
    }
}
