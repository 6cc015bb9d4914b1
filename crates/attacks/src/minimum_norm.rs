//! What attacks share that look for the nearest adversarial image.

use crate::problem::{Harvest, bools, per_row, read, where_rows};
use crate::{
    AttackError, Eot, Expectation, InputGradient, Loss, Norm, Objective, Oracle, Problem, Rows,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The nearest image of each example at which the goal was reached.
///
/// Whether it is reached is asked of the margin of the mean logits, for a stochastic model over draws that are the same
/// for all images, and not those of any gradient.
pub(crate) struct Search {
    /// The rows still under attack.
    pub problem: Problem,
    /// The classes that the model tells apart.
    pub classes: usize,
    /// Whether rows may leave with the first image within the threat, because the caller wants it.
    pub early: bool,
    threat: Threat,
    /// The margin from which on the goal counts as reached.
    confidence: f64,
    stochastic: bool,
    eot: Eot,
    key: Key,
    margin: Objective,
    nearest: Tensor<4>,
    /// How far each of `nearest` is; infinite where the goal has not been reached.
    distances: Vec<f64>,
    harvest: Harvest,
}

/// What an image is worth.
pub(crate) struct Look {
    /// The margins.
    pub scores: Vec<f64>,
    /// Whether the goal is reached.
    pub reached: Vec<bool>,
}

/// The hyperplane at which a linear model would reach the goal, for each image.
pub(crate) struct Plane {
    pub normal: Tensor<4>,
    /// What the linear function with these slopes is at the image; it is zero at the plane.
    pub offsets: Vec<f64>,
    /// How far the plane is, the box left aside.
    pub distances: Vec<f64>,
}

impl Search {
    /// Looks at the images themselves; those at which the goal is reached leave, since nothing is nearer.
    pub fn begin(
        oracle: &mut Oracle<'_>,
        threat: Threat,
        problem: &Problem,
        eot: Eot,
        confidence: f64,
        key: Key,
    ) -> Result<Self, AttackError> {
        let eot = Eot { expectation: Expectation::Logits, ..eot };
        let margin = Objective::new(Loss::Margin, &problem.goal);
        let stochastic = oracle.is_stochastic(problem)?;
        let early = oracle.wants_early_stop() && !stochastic;
        let (images, key) = (problem.images.clone(), key.named("score"));
        let logits = oracle.score(&images, &margin, &problem.examples, eot, key)?.logits;
        let mut search = Self {
            classes: logits.dims()[1],
            early,
            threat,
            confidence,
            stochastic,
            eot,
            key,
            margin,
            distances: vec![f64::INFINITY; problem.len()],
            harvest: Harvest::new(problem.len()),
            problem: problem.clone(),
            nearest: images.clone(),
        };
        let reached = search.judge(&logits).reached;
        search.offer(&images, &reached);
        search.leave(&reached);
        Ok(search)
    }

    fn judge(&self, logits: &Tensor<2>) -> Look {
        let scores = read(&self.margin.score(logits.clone()));
        let reached = bools(&self.problem.goal.reached(logits));
        let sure = scores.iter().map(|&score| score >= self.confidence);
        let reached =
            reached.into_iter().zip(sure).map(|(reached, sure)| reached && sure).collect();
        Look { scores, reached }
    }

    fn offer(&mut self, images: &Tensor<4>, reached: &[bool]) {
        if !reached.contains(&true) {
            return;
        }
        let distances = read(&self.threat.norm().distance(images, &self.problem.images));
        let nearer = distances.iter().zip(&self.distances).map(|(new, old)| new < old);
        let better: Vec<bool> =
            nearer.zip(reached).map(|(nearer, reached)| nearer && *reached).collect();
        self.nearest = where_rows(&better, self.nearest.clone(), images);
        for (row, distance) in distances.into_iter().enumerate().filter(|(row, _)| better[*row]) {
            self.distances[row] = distance;
        }
    }

    /// Looks at images and keeps those that are nearer than all before. What a gradient has found at them saves a pass
    /// through a model without noise.
    pub fn look(
        &mut self,
        oracle: &mut Oracle<'_>,
        images: &Tensor<4>,
        found: Option<&InputGradient>,
    ) -> Result<Look, AttackError> {
        let look = match found.filter(|_| !self.stochastic) {
            Some(found) => self.judge(&found.logits),
            None => {
                let examples = &self.problem.examples;
                let scores = oracle.score(images, &self.margin, examples, self.eot, self.key)?;
                self.judge(&scores.logits)
            }
        };
        self.offer(images, &look.reached);
        Ok(look)
    }

    /// Ends an iteration that led to these images; whether there may be another.
    pub fn proceed(&self, oracle: &mut Oracle<'_>, images: &Tensor<4>, look: &Look) -> bool {
        oracle.proceed(&self.problem, images, &look.scores, self.threat.norm())
    }

    /// Which rows have an image within the threat.
    pub fn within(&self) -> Vec<bool> {
        self.distances.iter().map(|&distance| distance <= self.threat.epsilon()).collect()
    }

    /// Lets finished rows leave with what they have; the rows that stay, where any left.
    pub fn leave(&mut self, finished: &[bool]) -> Option<Rows> {
        let rows = self.harvest.take(finished, &self.result())?;
        if !self.is_complete() {
            self.problem = self.problem.select(&rows);
            self.margin = self.margin.select(&rows);
            self.nearest = rows.of(&self.nearest);
            self.distances = rows.of_list(&self.distances);
        }
        Some(rows)
    }

    /// Whether no row is left.
    pub fn is_complete(&self) -> bool {
        self.harvest.is_complete()
    }

    /// The nearest images within the threat, and the originals where there is none.
    fn result(&self) -> Tensor<4> {
        where_rows(&self.within(), self.problem.images.clone(), &self.nearest)
    }

    /// As [`result`](Self::result), for all rows that the search began with.
    pub fn finish(self) -> Tensor<4> {
        let rest = self.result();
        self.harvest.finish(rest)
    }

    /// Halves, `steps` times, the part of the segment from each image to its nearest adversarial one in which the goal
    /// comes to be reached. `round` makes an image of a point. Whether the budget allows to go on.
    pub fn bisect(
        &mut self,
        oracle: &mut Oracle<'_>,
        steps: usize,
        round: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<bool, AttackError> {
        let found: Vec<bool> = self.distances.iter().map(|distance| distance.is_finite()).collect();
        if steps == 0 || self.is_complete() || !found.contains(&true) {
            return Ok(oracle.has_budget());
        }
        let rows = Rows::wherever(found, &self.nearest);
        let mut part = Self {
            problem: self.problem.select(&rows),
            margin: self.margin.select(&rows),
            nearest: rows.of(&self.nearest),
            distances: rows.of_list(&self.distances),
            harvest: Harvest::new(rows.as_slice().len()),
            ..*self
        };
        let more = part.bisect_all(oracle, steps, round)?;
        let mut place: Vec<usize> = (0..self.distances.len()).collect();
        for (at, &row) in rows.as_slice().iter().enumerate() {
            place[row] = self.distances.len() + at;
            self.distances[row] = part.distances[at];
        }
        let all = Tensor::cat(vec![self.nearest.clone(), part.nearest], 0);
        self.nearest = Rows::new(place, &all).of(&all);
        Ok(more)
    }

    fn bisect_all(
        &mut self,
        oracle: &mut Oracle<'_>,
        steps: usize,
        round: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<bool, AttackError> {
        let clean = self.problem.images.clone();
        let change = self.nearest.clone() - clean.clone();
        let mut bounds = vec![[0.0, 1.0]; self.problem.len()];
        for _ in 0..steps {
            let middles: Vec<f64> = bounds.iter().map(|[low, high]| 0.5 * (low + high)).collect();
            let x = round(clean.clone() + change.clone() * per_row(&middles, &clean));
            let look = self.look(oracle, &x, None)?;
            for (row, &reached) in look.reached.iter().enumerate() {
                bounds[row][usize::from(reached)] = middles[row];
            }
            if !self.proceed(oracle, &x, &look) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Of the planes where these objectives are zero, if they were linear, the nearest to each image.
    pub fn nearest_plane(
        &self,
        oracle: &mut Oracle<'_>,
        images: &Tensor<4>,
        objectives: &[Objective],
        eot: Eot,
        key: Key,
    ) -> Result<Plane, AttackError> {
        let dual = match self.threat.norm() {
            Norm::Linf => Norm::L1,
            Norm::L2 => Norm::L2,
            Norm::L1 => Norm::Linf,
        };
        let mut nearest: Option<Plane> = None;
        for objective in objectives {
            let found = oracle.gradient(images, objective, &self.problem.examples, eot, key)?;
            let offsets = read(&found.score);
            let slopes = read(&dual.distance(&found.gradient, &found.gradient.zeros_like()));
            // A gradient of zero leads nowhere: its plane is the farthest.
            let distances = offsets.iter().zip(&slopes).map(|(z, slope)| z.abs() / (slope + 1e-12));
            let distances: Vec<f64> = distances.collect();
            nearest = Some(match nearest {
                None => Plane { normal: found.gradient, offsets, distances },
                Some(best) => {
                    let nearer = distances.iter().zip(&best.distances).map(|(new, old)| new < old);
                    let nearer: Vec<bool> = nearer.collect();
                    let of = |new: &[f64], old: &[f64]| -> Vec<f64> {
                        let pick = |row: usize| if nearer[row] { new[row] } else { old[row] };
                        (0..nearer.len()).map(pick).collect()
                    };
                    Plane {
                        offsets: of(&offsets, &best.offsets),
                        distances: of(&distances, &best.distances),
                        normal: where_rows(&nearer, best.normal, &found.gradient),
                    }
                }
            });
        }
        Ok(nearest.expect("a model has at least two classes"))
    }
}
