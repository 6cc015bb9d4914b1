//! The search itself: steps of the patches' content, and moves.

use super::place::{Direction, Places};
use super::{AdversarialPatch, LocationSearch};
use crate::methods::shared::best::KeepBest;
use crate::rows::{ActiveRows, where_rows};
use crate::{AttackBatch, AttackError, Expectation, ModelAccess, Norm, Objective};
use burn::tensor::{Tensor, TensorData};
use cni_noise::{Key, uniform_rows};

/// The state of the search on a batch. Its rows are the examples that are still attacked.
pub(super) struct PatchSearch<'a> {
    patch: &'a AdversarialPatch,
    /// True if examples leave once they have reached the goal.
    stop: bool,
    active: ActiveRows,
    batch: AttackBatch,
    objective: Objective,
    /// The best of all runs.
    best: KeepBest,
}

/// Images with their patches.
struct Patched {
    places: Places,
    /// The content of the patches, `[batch, channels, side, side]`.
    content: Tensor<4>,
    images: Tensor<4>,
    /// The loss of each row; empty until the images are evaluated.
    scores: Vec<f64>,
}

impl<'a> PatchSearch<'a> {
    /// A search that scores candidates under the draws of this key.
    pub fn new(patch: &'a AdversarialPatch, batch: &AttackBatch, stop: bool, key: Key) -> Self {
        Self {
            patch,
            stop,
            active: ActiveRows::new(batch.len()),
            batch: batch.clone(),
            objective: Objective::new(patch.loss.clone(), &batch.goal),
            best: KeepBest::of_loss(&batch.goal, patch.loss.clone(), patch.eot, key),
        }
    }

    /// True if every example has left.
    pub fn is_complete(&self) -> bool {
        self.active.is_complete()
    }

    /// The best images; the originals if the budget allowed no evaluation.
    pub fn into_images(self) -> Tensor<4> {
        self.active.finish(self.best.into_images(self.batch.images))
    }

    /// A run from a new start on the examples that have not left.
    pub fn run(&mut self, access: &mut ModelAccess<'_>, key: Key) -> Result<(), AttackError> {
        if !access.affords_scores(1, self.patch.eot) {
            return Ok(());
        }
        let mut at = self.start(key);
        self.evaluate(access, &mut at)?;
        self.leave(&mut at);
        for step in 0..self.patch.steps {
            if self.is_complete() {
                break;
            }
            let key_of_step = key.child(step as u64);
            let moves = self.moves(&at, step, key_of_step);
            if !access.affords_scores(self.scores(moves.len()), self.patch.eot) {
                break;
            }
            at = self.step(access, at, &moves, key_of_step)?;
            let more = access.proceed(&self.batch, &at.images, &at.scores, Norm::Linf);
            self.leave(&mut at);
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// The number of forward passes, for each draw, of a step that tries so many moves.
    fn scores(&self, moves: usize) -> u64 {
        let eot = self.patch.eot;
        let twice = eot.draws > 1 && eot.expectation != Expectation::Loss;
        let of_gradient = if twice { 2 } else { 1 };
        of_gradient + 1 + moves as u64
    }

    /// The start of a run: uniform pixels at uniform places.
    fn start(&self, key: Key) -> Patched {
        let AttackBatch { images, examples, .. } = &self.batch;
        let (side, epsilon) = (self.patch.side, self.patch.threat.epsilon());
        let places = Places::drawn(side, images, examples, key.named("place"));
        let [rows, channels, ..] = images.dims();
        let draws = uniform_rows(key.named("content"), examples, rows, channels * side * side);
        let draws = TensorData::new(draws, [rows, channels, side, side]);
        let draws = Tensor::from_data(draws, (&images.device(), images.dtype()));
        let own = places.crop(images);
        let end = |by: f64| own.clone().add_scalar(by).clamp(0.0, 1.0);
        let (low, high) = (end(-epsilon), end(epsilon));
        let content = low.clone() + draws * (high - low);
        self.show(places, content)
    }

    /// The images with patches at these places. Their content is projected into the threat's ball.
    fn show(&self, places: Places, content: Tensor<4>) -> Patched {
        let clean = &self.batch.images;
        let epsilon = self.patch.threat.epsilon();
        let content = Norm::Linf.project(content, &places.crop(clean), epsilon);
        let images = places.paste(clean, &content);
        Patched { places, content, images, scores: Vec::new() }
    }

    /// Scores the images, and keeps those that are the best so far.
    fn evaluate(
        &mut self,
        access: &mut ModelAccess<'_>,
        at: &mut Patched,
    ) -> Result<(), AttackError> {
        let merits = self.best.evaluate(access, &at.images, &self.batch.examples)?;
        at.scores = merits.iter().map(|merit| merit.loss).collect();
        Ok(())
    }

    /// The moves that are tried after a step, each a direction for every row.
    fn moves(&self, at: &Patched, step: usize, key: Key) -> Vec<Vec<Direction>> {
        let (rows, examples) = (self.batch.len(), &self.batch.examples);
        let directions = at.places.directions();
        if !(step + 1).is_multiple_of(self.patch.period) || directions.is_empty() {
            return Vec::new();
        }
        match self.patch.location_search {
            LocationSearch::None => Vec::new(),
            LocationSearch::Full => directions.iter().map(|&one| vec![one; rows]).collect(),
            LocationSearch::Random => {
                let count = directions.len() as f64;
                let drawn = |draw: f32| directions[(f64::from(draw) * count) as usize];
                let draws = uniform_rows(key.named("move"), examples, rows, 1);
                vec![draws.into_iter().map(drawn).collect()]
            }
        }
    }

    /// Takes a step of the content, and then the best of these moves if it beats the patch from
    /// before the step.
    fn step(
        &mut self,
        access: &mut ModelAccess<'_>,
        at: Patched,
        moves: &[Vec<Direction>],
        key: Key,
    ) -> Result<Patched, AttackError> {
        let (eot, examples) = (self.patch.eot, &self.batch.examples);
        let found = access.gradient(&at.images, &self.objective, examples, eot, key)?;
        let slopes = at.places.crop(&found.gradient);
        let ahead = Norm::Linf.steepest_step(slopes, self.patch.step_size);
        let content = at.content + ahead;
        let mut next = self.show(at.places.clone(), content.clone());
        self.evaluate(access, &mut next)?;
        let mut to_beat = at.scores;
        for directions in moves {
            let places = at.places.moved(directions, self.patch.stride);
            let mut moved = self.show(places, content.clone());
            self.evaluate(access, &mut moved)?;
            let pairs = moved.scores.iter().zip(&to_beat);
            let better: Vec<bool> = pairs.map(|(moved, to_beat)| moved > to_beat).collect();
            next.replace(&better, &moved);
            let scores = to_beat.iter_mut().zip(&moved.scores);
            scores.for_each(|(to_beat, moved)| *to_beat = to_beat.max(*moved));
        }
        Ok(next)
    }

    /// Lets examples that have reached the goal leave, if the search stops early.
    fn leave(&mut self, at: &mut Patched) {
        // A margin is positive exactly if the goal is reached.
        let reached = self.best.margins().into_iter().map(|margin| self.stop && margin > 0.0);
        let reached: Vec<bool> = reached.collect();
        let Some(images) = self.best.images() else { return };
        let Some(rows) = self.active.take(&reached, images) else { return };
        if self.active.is_complete() {
            return;
        }
        self.batch = self.batch.select(&rows);
        self.objective = self.objective.select(&rows);
        self.best.select(&rows);
        *at = Patched {
            places: at.places.select(&rows),
            content: rows.of(&at.content),
            images: rows.of(&at.images),
            scores: rows.of_list(&at.scores),
        };
    }
}

impl Patched {
    /// Replaces the rows with `take` by those of `other`.
    fn replace(&mut self, take: &[bool], other: &Self) {
        self.places = self.places.clone().where_rows(take, &other.places);
        self.content = where_rows(take, self.content.clone(), &other.content);
        self.images = where_rows(take, self.images.clone(), &other.images);
        let rows = self.scores.iter_mut().zip(&other.scores).zip(take);
        rows.filter(|(_, take)| **take).for_each(|((own, other), _)| *own = *other);
    }
}
