//! What attacks share that look for the nearest adversarial image.

mod balance;
mod plane;
mod segment;

pub(crate) use self::plane::Plane;

use crate::rows::{ActiveRows, read, where_rows};
use crate::{
    AttackBatch, AttackError, Eot, Expectation, InputGradient, Loss, ModelAccess, Norm, Objective,
    Rows, Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The nearest image of each example at which the goal was reached.
///
/// Whether it is reached is asked of the margin of the mean logits, for a stochastic model over
/// draws that are the same for all images, and not those of any gradient.
pub(crate) struct NearestSearch {
    /// The rows still under attack.
    pub batch: AttackBatch,
    /// The classes that the model tells apart.
    pub classes: usize,
    /// Whether rows may leave with the first image within the threat, because the caller wants it.
    pub early: bool,
    /// Whether the model has noise.
    pub stochastic: bool,
    /// Where given, images within the threat are compared by their elastic-net distance with this
    /// weight of L1, and others do not count.
    pub elastic: Option<f64>,
    threat: Threat,
    /// The margin from which on the goal counts as reached.
    confidence: f64,
    eot: Eot,
    key: Key,
    margin: Objective,
    nearest: Tensor<4>,
    /// How far each of `nearest` is; infinite where the goal has not been reached.
    distances: Vec<f64>,
    /// What each of `nearest` was chosen by.
    sizes: Vec<f64>,
    active: ActiveRows,
}

/// What an image is worth.
pub(crate) struct Evaluated {
    /// The margins.
    pub scores: Vec<f64>,
    /// Whether the goal is reached.
    pub reached: Vec<bool>,
    /// How far the image is from the original.
    pub distances: Vec<f64>,
    /// By what it is compared with others: how far it is, or its elastic-net distance.
    sizes: Vec<f64>,
    /// Whether the gradient that was found there is zero throughout.
    pub zero: Vec<bool>,
}

impl NearestSearch {
    /// Looks at the images themselves; those at which the goal is reached leave, since nothing is
    /// nearer.
    pub fn begin(
        access: &mut ModelAccess<'_>,
        threat: Threat,
        batch: &AttackBatch,
        eot: Eot,
        confidence: f64,
        key: Key,
    ) -> Result<Self, AttackError> {
        let eot = Eot { expectation: Expectation::Logits, ..eot };
        let margin = Objective::new(Loss::Margin, &batch.goal);
        let stochastic = access.is_stochastic(batch)?;
        let early = access.wants_early_stop() && !stochastic;
        let (images, key) = (batch.images.clone(), key.named("score"));
        let logits = access.score(&images, &margin, &batch.examples, eot, key)?.logits;
        let mut search = Self {
            classes: logits.dims()[1],
            early,
            threat,
            confidence,
            stochastic,
            elastic: None,
            eot,
            key,
            margin,
            distances: vec![f64::INFINITY; batch.len()],
            sizes: vec![f64::INFINITY; batch.len()],
            active: ActiveRows::new(batch.len()),
            batch: batch.clone(),
            nearest: images.clone(),
        };
        let evaluated = search.measure(access, &images, &logits, None)?;
        search.keep_nearest(&images, &evaluated);
        search.leave(&evaluated.reached);
        Ok(search)
    }

    fn measure(
        &self,
        access: &mut ModelAccess<'_>,
        images: &Tensor<4>,
        logits: &Tensor<2>,
        found: Option<&InputGradient>,
    ) -> Result<Evaluated, AttackError> {
        let scores = self.margin.score(logits.clone());
        let reached = self.batch.goal.reached(logits).float();
        let distances = self.threat.norm().distance(images, &self.batch.images);
        let sizes = match self.elastic {
            None => distances.clone(),
            Some(beta) => {
                let [l2, l1] =
                    [Norm::L2, Norm::L1].map(|norm| norm.distance(images, &self.batch.images));
                l2.square() + l1.mul_scalar(beta)
            }
        };
        let zero = match found {
            Some(found) => found.zero.clone().float(),
            None => reached.zeros_like(),
        };
        let [scores, reached, distances, sizes, zero] =
            access.read([scores, reached, distances, sizes, zero])?;
        let sure = scores.iter().map(|&score| score >= self.confidence);
        let reached: Vec<bool> =
            reached.into_iter().zip(sure).map(|(reached, sure)| reached > 0.0 && sure).collect();
        let zero = zero.into_iter().map(|zero| zero > 0.0).collect();
        Ok(Evaluated { scores, reached, distances, sizes, zero })
    }

    fn keep_nearest(
        &mut self,
        images: &Tensor<4>,
        Evaluated { reached, distances, sizes, .. }: &Evaluated,
    ) {
        if !reached.contains(&true) {
            return;
        }
        let counts = |row: usize| {
            reached[row] && (self.elastic.is_none() || distances[row] <= self.threat.epsilon())
        };
        let better = |row: usize| counts(row) && sizes[row] < self.sizes[row];
        let better: Vec<bool> = (0..reached.len()).map(better).collect();
        self.nearest = where_rows(&better, self.nearest.clone(), images);
        for row in (0..better.len()).filter(|&row| better[row]) {
            (self.distances[row], self.sizes[row]) = (distances[row], sizes[row]);
        }
    }

    /// Looks at images and keeps those that are nearer than all before. What a gradient has found
    /// at them saves a pass through a model without noise.
    pub fn evaluate(
        &mut self,
        access: &mut ModelAccess<'_>,
        images: &Tensor<4>,
        found: Option<&InputGradient>,
    ) -> Result<Evaluated, AttackError> {
        let evaluated = match found.filter(|_| !self.stochastic) {
            Some(gradient) => self.measure(access, images, &gradient.logits, found)?,
            None => {
                let examples = &self.batch.examples;
                let scores = access.score(images, &self.margin, examples, self.eot, self.key)?;
                self.measure(access, images, &scores.logits, found)?
            }
        };
        self.keep_nearest(images, &evaluated);
        Ok(evaluated)
    }

    /// Ends an iteration that led to these images; whether there may be another.
    pub fn proceed(
        &self,
        access: &mut ModelAccess<'_>,
        images: &Tensor<4>,
        evaluated: &Evaluated,
    ) -> bool {
        access.proceed(&self.batch, images, &evaluated.scores, self.threat.norm())
    }

    /// How far from each original a search may start: the radius of the threat; without one the
    /// distance of the nearest image so far, or of the farthest of the box where there is none.
    pub fn reach(&self) -> Vec<f64> {
        let epsilon = self.threat.epsilon();
        if !self.threat.is_unbounded() {
            return vec![epsilon; self.distances.len()];
        }
        let clean = self.batch.images.clone();
        let corner = clean.clone().max_pair(clean.neg().add_scalar(1.0));
        let farthest = read(&self.threat.norm().length(corner));
        self.distances.iter().zip(farthest).map(|(near, far)| near.min(far)).collect()
    }

    /// Which rows have an image within the threat.
    pub fn within(&self) -> Vec<bool> {
        let within = |distance: &f64| distance.is_finite() && *distance <= self.threat.epsilon();
        self.distances.iter().map(within).collect()
    }

    /// Lets finished rows leave with what they have; the rows that stay, where any left.
    pub fn leave(&mut self, finished: &[bool]) -> Option<Rows> {
        if !finished.contains(&true) {
            return None;
        }
        let rows = self.active.take(finished, &self.result())?;
        if !self.is_complete() {
            self.batch = self.batch.select(&rows);
            self.margin = self.margin.select(&rows);
            self.nearest = rows.of(&self.nearest);
            self.distances = rows.of_list(&self.distances);
            self.sizes = rows.of_list(&self.sizes);
        }
        Some(rows)
    }

    /// Whether no row is left.
    pub fn is_complete(&self) -> bool {
        self.active.is_complete()
    }

    /// The nearest images within the threat, and the originals where there is none.
    fn result(&self) -> Tensor<4> {
        where_rows(&self.within(), self.batch.images.clone(), &self.nearest)
    }

    /// As [`result`](Self::result), for all rows that the search began with.
    pub fn finish(self) -> Tensor<4> {
        let rest = self.result();
        self.active.finish(rest)
    }
}
