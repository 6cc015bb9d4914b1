//! A run of PGD.

use super::{Iterate, Pgd};
use crate::methods::shared::best::KeepBest;
use crate::rows::ActiveRows;
use crate::threat::Ball;
use crate::{AttackBatch, AttackError, Eot, InputGradient, ModelAccess, Norm, Objective};
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, Key};
use std::ops::Range;

/// The ball and the start of a run, and the numbers of its steps, which choose the draws of their
/// gradients.
pub(super) struct Run {
    pub key: Key,
    pub ball: Ball,
    pub start: Tensor<4>,
    pub steps: Range<u64>,
}

impl Pgd {
    /// Goes on for `more` steps from images that it has found: of a single run without momentum,
    /// whose result is its last iterate, what it would have found with so many steps more.
    pub fn continued(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
        from: Tensor<4>,
        more: usize,
    ) -> Result<Tensor<4>, AttackError> {
        let key_of_choice = key.named("score");
        let mut selection =
            KeepBest::of_loss(&batch.goal, self.loss.clone(), self.eot, key_of_choice);
        let every = (self.iterate == Iterate::Best).then_some(&mut selection);
        let done = self.steps as u64;
        let ball = self.ball(batch);
        let run = Run { key: key.child(0), ball, start: from, steps: done..done + more as u64 };
        let last = self.ascend(access, batch.clone(), run, every, false)?;
        Ok(selection.into_images(last))
    }

    /// The ball around the images of a batch.
    pub(super) fn ball(&self, batch: &AttackBatch) -> Ball {
        Ball::new(self.threat.norm(), self.threat.epsilon(), &batch.images)
    }

    fn step(&self, ball: &Ball, x: Tensor<4>, gradient: Tensor<4>) -> Tensor<4> {
        if self.threat.norm() != Norm::L1 {
            return ball.step(x, gradient, self.step_size);
        }
        let [_, channels, height, width] = gradient.dims();
        let moved = (self.sparsity * (channels * height * width) as f64).ceil();
        let shares = vec![moved.max(1.0) as usize; gradient.dims()[0]];
        ball.project(x + Norm::sparse_step(gradient, &shares).mul_scalar(self.step_size))
    }

    /// The gradient of a step, at the images as the attack shows them to the model, and the logits
    /// of the images themselves if an early stop needs them.
    fn gradient(
        &self,
        access: &mut ModelAccess<'_>,
        x: &Tensor<4>,
        objective: &Objective,
        examples: &ExampleIds,
        key: Key,
        stop: bool,
    ) -> Result<InputGradient, AttackError> {
        let Some(diversity) = &self.input_diversity else {
            return access.gradient(x, objective, examples, self.eot, key);
        };
        let view = diversity.view(x, examples, key);
        let seen = view.of(x.clone());
        let mut found = access.gradient(&seen, objective, examples, self.eot, key)?;
        found.gradient = view.pull_back(found.gradient);
        if stop {
            // Early stopping needs a model without noise, for which one draw suffices.
            found.logits = access.score(x, objective, examples, Eot::ONE, key)?.logits;
        }
        Ok(found)
    }

    /// One run on the examples of `batch`. With `stop`, examples leave as soon as they reach the
    /// goal.
    pub(super) fn ascend(
        &self,
        access: &mut ModelAccess<'_>,
        batch: AttackBatch,
        run: Run,
        mut selection: Option<&mut KeepBest>,
        stop: bool,
    ) -> Result<Tensor<4>, AttackError> {
        let norm = self.threat.norm();
        let mut active = ActiveRows::new(batch.len());
        let mut objective = Objective::new(self.loss.clone(), &batch.goal);
        let Run { key, mut ball, start: mut x, steps } = run;
        let mut past: Option<Tensor<4>> = None;
        let mut batch = batch;
        for step in steps {
            if let Some(selection) = &mut selection {
                selection.consider(access, &x, &batch.examples)?;
            }
            let key = key.child(step);
            let mut found = self.gradient(access, &x, &objective, &batch.examples, key, stop)?;
            if stop {
                let reached = batch.goal.reached(&found.logits).float();
                let [reached] = access.read([reached])?;
                let reached: Vec<bool> = reached.iter().map(|&reached| reached > 0.0).collect();
                if let Some(rows) = active.take(&reached, &x) {
                    if active.is_complete() {
                        break;
                    }
                    (batch, objective) = (batch.select(&rows), objective.select(&rows));
                    (x, past) = (rows.of(&x), past.map(|past| rows.of(&past)));
                    ball = ball.select(&rows);
                    (found.gradient, found.score) =
                        (rows.of(&found.gradient), rows.of(&found.score));
                }
            }
            let mut gradient = match &self.kernel {
                Some(kernel) => kernel.smooth(found.gradient),
                None => found.gradient,
            };
            if self.momentum > 0.0 {
                let unit = Norm::L1.unit(gradient);
                gradient = match past.take() {
                    None => unit,
                    Some(past) => past.mul_scalar(self.momentum) + unit,
                };
                past = Some(gradient.clone());
            }
            x = self.step(&ball, x, gradient);
            let scores = match access.is_traced() {
                true => access.read([found.score])?.concat(),
                false => Vec::new(),
            };
            if !access.proceed(&batch, &x, &scores, norm) {
                break;
            }
        }
        if let Some(selection) = selection {
            selection.consider(access, &x, &batch.examples)?;
        }
        Ok(active.finish(x))
    }
}
