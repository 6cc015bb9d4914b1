//! Parts that minimum-norm attacks share: the nearest adversarial image so far, and its
//! bookkeeping.

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

/// The nearest adversarial image of each example so far.
///
/// The mean logits decide whether the goal is reached. For a stochastic model they are means over
/// draws that are the same for all images, and that no gradient uses.
pub(crate) struct NearestSearch {
    /// The rows still under attack.
    pub batch: AttackBatch,
    /// The number of classes of the model.
    pub classes: usize,
    /// True if the caller wants rows to leave with their first adversarial image within the threat.
    pub early: bool,
    /// True if the model has noise.
    pub stochastic: bool,
    /// If given, only images within the threat count, and they are compared by the elastic-net
    /// distance with this weight of L1.
    pub elastic: Option<f64>,
    threat: Threat,
    /// The margin from which on the goal counts as reached.
    confidence: f64,
    eot: Eot,
    key: Key,
    margin: Objective,
    nearest: Tensor<4>,
    /// The distance of each of `nearest`; infinite if the goal has not been reached.
    distances: Vec<f64>,
    /// The size by which each of `nearest` was chosen.
    sizes: Vec<f64>,
    active: ActiveRows,
}

/// The evaluation of a batch of images.
pub(crate) struct Evaluated {
    /// The margins.
    pub scores: Vec<f64>,
    /// True if the goal is reached.
    pub reached: Vec<bool>,
    /// The distance of each image from its original.
    pub distances: Vec<f64>,
    /// The size by which images are compared: the distance, or the elastic-net distance.
    sizes: Vec<f64>,
    /// True if the gradient that was found there is zero throughout.
    pub zero: Vec<bool>,
}

impl NearestSearch {
    /// Evaluates the originals; those that reach the goal leave, since nothing is nearer.
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

    /// Evaluates images and keeps those that are nearer than all before. For a model without noise,
    /// the logits of the gradient `found` save a pass.
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

    /// Ends an iteration that led to these images. Returns whether the budget allows another.
    pub fn proceed(
        &self,
        access: &mut ModelAccess<'_>,
        images: &Tensor<4>,
        evaluated: &Evaluated,
    ) -> bool {
        access.proceed(&self.batch, images, &evaluated.scores, self.threat.norm())
    }

    /// The distance from each original within which a search may start: the radius of the threat;
    /// without one, the distance of the nearest image so far, or, if there is none, of the farthest
    /// image of the box.
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

    /// True if each row has an adversarial image within the threat.
    pub fn within(&self) -> Vec<bool> {
        let within = |distance: &f64| distance.is_finite() && *distance <= self.threat.epsilon();
        self.distances.iter().map(within).collect()
    }

    /// Lets finished rows leave with their result. Returns the rows that stay, or `None` if no row
    /// left.
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

    /// True if all rows have left.
    pub fn is_complete(&self) -> bool {
        self.active.is_complete()
    }

    /// The nearest adversarial images, or the originals if there are none within the threat.
    fn result(&self) -> Tensor<4> {
        where_rows(&self.within(), self.batch.images.clone(), &self.nearest)
    }

    /// As [`result`](Self::result), for all rows that the search began with.
    pub fn finish(self) -> Tensor<4> {
        let rest = self.result();
        self.active.finish(rest)
    }
}
