//! The random search itself. Its state is on the host, since only windows change, and only scores
//! are read from the device.

use super::Square;
use super::proposal::Proposal;
use super::window::Shape;
use crate::methods::shared::best::Merit;
use crate::threat::on_host::Images;
use crate::{AttackBatch, AttackError, Loss, ModelAccess, Objective, Rows};
use burn::tensor::Tensor;
use cni_noise::{Key, uniform_rows};

/// The state of the search on a batch.
pub(super) struct SquareSearch<'a> {
    square: &'a Square,
    whole: &'a AttackBatch,
    stop: bool,
    /// The draws of the model's noise behind every score, so that candidates are compared under
    /// equal noise.
    noise: Key,
    shape: Shape,
    origin: Images,
    /// The best of all runs, for each example.
    images: Images,
    record: Vec<Merit>,
    /// The numbers of the rows still searched, and their batch.
    active: Vec<usize>,
    batch: AttackBatch,
    objective: Objective,
}

impl<'a> SquareSearch<'a> {
    pub fn new(square: &'a Square, batch: &'a AttackBatch, stop: bool, key: Key) -> Self {
        let [rows, channels, height, width] = batch.images.dims();
        let origin = Images::read(&batch.images);
        Self {
            square,
            whole: batch,
            stop,
            noise: key.named("score"),
            shape: Shape { channels, height, width },
            images: origin.clone(),
            origin,
            record: vec![Merit::NONE; rows],
            active: (0..rows).collect(),
            batch: batch.clone(),
            objective: Objective::new(Loss::Margin, &batch.goal),
        }
    }

    /// True if every example has left.
    pub fn is_complete(&self) -> bool {
        self.active.is_empty()
    }

    /// The best images.
    pub fn images(self) -> Tensor<4> {
        self.images.write(&self.whole.images)
    }

    /// A run from a new start on the examples that have not left.
    pub fn run(&mut self, access: &mut ModelAccess<'_>, key: Key) -> Result<(), AttackError> {
        let mut best = self.origin.clone();
        let mut merits = vec![Merit::NONE; self.record.len()];
        for query in 0..self.square.queries {
            if !access.affords_scores(1, self.square.eot) {
                break;
            }
            let candidates = self.propose(&best, query, key);
            let x = candidates.write(&self.batch.images);
            let (objective, AttackBatch { goal, examples, .. }) = (&self.objective, &self.batch);
            let eot = self.square.eot;
            let (scores, success) =
                access.success(&x, objective, goal, examples, eot, self.noise)?;
            let lists = access.read([success.reached, success.margin, scores.score])?;
            let found = Merit::rows(&lists);
            for (slot, &row) in self.active.iter().enumerate() {
                // The search raises the margin; how often the goal is reached decides between runs.
                if found[slot].margin > merits[row].margin {
                    merits[row] = found[slot];
                    best.row_mut(row).copy_from_slice(candidates.row(slot));
                }
            }
            let more = self.report(access, x, &best, &merits);
            // A margin is positive exactly if the goal is reached.
            if self.stop && found.iter().any(|found| found.margin > 0.0) {
                self.keep(&best, &merits, |merit| merit.margin > 0.0);
                self.select(&merits);
            }
            if !more || self.is_complete() {
                break;
            }
        }
        self.keep(&best, &merits, |_| true);
        Ok(())
    }

    /// The next candidate of each active row.
    fn propose(&self, best: &Images, query: usize, key: Key) -> Images {
        let square = self.square;
        let (norm, epsilon) = (square.threat.norm(), square.threat.epsilon());
        let proposal = match query {
            0 => Proposal::start(norm, epsilon, self.shape),
            _ => Proposal::step(norm, epsilon, self.shape, square.share_at(query - 1)),
        };
        let (rows, each) = (self.active.len(), proposal.draws());
        let draws = uniform_rows(key.child(query as u64), &self.batch.examples, rows, each);
        let mut candidates = best.select(&self.active);
        candidates.for_each(|slot, image| {
            let origin = self.origin.row(self.active[slot]);
            proposal.apply(image, origin, &draws[slot * each..][..each]);
        });
        candidates
    }

    /// Ends an iteration. Returns whether the budget allows another.
    fn report(
        &self,
        access: &mut ModelAccess<'_>,
        candidates: Tensor<4>,
        best: &Images,
        merits: &[Merit],
    ) -> bool {
        let norm = self.square.threat.norm();
        if !access.is_traced() {
            return access.proceed(&self.batch, &candidates, &[], norm);
        }
        let best = best.select(&self.active).write(&self.batch.images);
        let scores: Vec<f64> = self.active.iter().map(|&row| merits[row].margin).collect();
        access.proceed(&self.batch, &best, &scores, norm)
    }

    /// Keeps the images that beat those of earlier runs, in the active rows whose merit passes
    /// `of_merit`.
    fn keep(&mut self, best: &Images, merits: &[Merit], of_merit: impl Fn(Merit) -> bool) {
        for &row in &self.active {
            if of_merit(merits[row]) && merits[row].exceeds(&self.record[row]) {
                self.record[row] = merits[row];
                self.images.row_mut(row).copy_from_slice(best.row(row));
            }
        }
    }

    /// Goes on with the rows that have not reached the goal.
    fn select(&mut self, merits: &[Merit]) {
        let keep = self.active.iter().map(|&row| merits[row].margin <= 0.0);
        let rows = Rows::wherever(keep, &self.batch.images);
        self.active = rows.of_list(&self.active);
        if !self.active.is_empty() {
            self.batch = self.batch.select(&rows);
            self.objective = self.objective.select(&rows);
        }
    }
}
