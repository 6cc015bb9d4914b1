//! The state of a run of APGD.

use super::schedule::{Schedule, SparseSchedule};
use crate::methods::shared::best::Merit;
use crate::rows::{ActiveRows, read, where_rows};
use crate::threat::Ball;
use crate::{AttackBatch, Objective, Rows};
use burn::tensor::{FloatDType, Tensor};

/// The state of the rows still in the run.
pub(super) struct ActiveRun {
    pub batch: AttackBatch,
    pub objective: Objective,
    pub ball: Ball,
    pub x: Tensor<4>,
    pub previous: Tensor<4>,
    pub gradient: Tensor<4>,
    /// The point with the best score, to which a run goes back.
    pub best: Tensor<4>,
    pub best_gradient: Tensor<4>,
    /// The best point for the goal and its merit: the result if no example leaves.
    pub result: Option<(Tensor<4>, Vec<Merit>)>,
    pub schedule: StepSchedule,
}

pub(super) enum StepSchedule {
    Momentum(Schedule),
    Sparse(SparseSchedule),
}

impl ActiveRun {
    /// Keeps the point in the rows in which it has the best merit so far.
    pub fn keep(&mut self, merits: Vec<Merit>) {
        if let Some((images, best)) = self.result.take() {
            let better: Vec<bool> =
                merits.iter().zip(&best).map(|(new, old)| new.exceeds(old)).collect();
            let kept = merits.into_iter().zip(best).zip(&better);
            let best = kept.map(|((new, old), &better)| if better { new } else { old });
            self.result = Some((where_rows(&better, images, &self.x), best.collect()));
        }
    }

    /// Lets rows that have reached the goal leave with their image. Returns whether all rows have
    /// left.
    pub fn leave(&mut self, active: &mut ActiveRows, reached: &[bool]) -> bool {
        let Some(rows) = active.take(reached, &self.x) else {
            return false;
        };
        if active.is_complete() {
            return true;
        }
        self.select(&rows);
        false
    }

    pub fn select(&mut self, rows: &Rows) {
        self.batch = self.batch.select(rows);
        self.objective = self.objective.select(rows);
        self.ball = self.ball.select(rows);
        for images in [
            &mut self.x,
            &mut self.previous,
            &mut self.gradient,
            &mut self.best,
            &mut self.best_gradient,
        ] {
            *images = rows.of(images);
        }
        match &mut self.schedule {
            StepSchedule::Momentum(schedule) => schedule.select(rows.as_slice()),
            StepSchedule::Sparse(schedule) => schedule.select(rows.as_slice()),
        }
    }

    /// At a checkpoint, sends rows back to their best point.
    pub fn check(&mut self) {
        let back = match &mut self.schedule {
            StepSchedule::Momentum(schedule) => match schedule.check() {
                Some(back) => back,
                None => return,
            },
            StepSchedule::Sparse(schedule) if schedule.is_due() => {
                schedule.check(&moved(&self.best, &self.batch.images))
            }
            StepSchedule::Sparse(_) => return,
        };
        self.x = where_rows(&back, self.x.clone(), &self.best);
        self.gradient = where_rows(&back, self.gradient.clone(), &self.best_gradient);
    }
}

/// The number of coordinates of each image that differ from the original.
pub(super) fn moved(images: &Tensor<4>, clean: &Tensor<4>) -> Vec<f64> {
    let [batch, ..] = images.dims();
    let differ = images.clone().not_equal(clean.clone()).int();
    // A device's own element type may not hold the count exactly.
    read(&differ.reshape([batch as i32, -1]).sum_dim(1).cast(FloatDType::F32))
}
