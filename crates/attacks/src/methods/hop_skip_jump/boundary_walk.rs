//! The walk along the boundary from a first adversarial image to the nearest.

use super::HopSkipJump;
use crate::methods::shared::decision::Vote;
use crate::rows::{ActiveRows, per_row, read, where_rows};
use crate::{AttackBatch, AttackError, ModelAccess, Norm, Rows};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_rows};

/// The most halvings of a step. With more, it would move no pixel in single precision.
pub(super) const HALVINGS: usize = 25;

/// The state of the rows still attacked, each with an adversarial image.
pub(super) struct BoundaryWalk<'a> {
    attack: &'a HopSkipJump,
    vote: Vote,
    batch: AttackBatch,
    /// Adversarial images at the boundary.
    x: Tensor<4>,
    nearest: Tensor<4>,
    /// The distances of the nearest.
    distances: Vec<f64>,
}

impl<'a> BoundaryWalk<'a> {
    /// A walk from adversarial images `x`.
    pub fn new(attack: &'a HopSkipJump, batch: AttackBatch, x: Tensor<4>, vote: Vote) -> Self {
        let distances = read(&attack.threat.norm().distance(&x, &batch.images));
        Self { attack, vote, batch, nearest: x.clone(), x, distances }
    }

    /// Runs the walk. Returns the nearest adversarial images, or the originals if these are outside
    /// the threat.
    pub fn run(mut self, access: &mut ModelAccess<'_>, key: Key) -> Result<Tensor<4>, AttackError> {
        let (attack, threat) = (self.attack, self.attack.threat);
        let stop = access.wants_early_stop() && access.stops_early(false, &self.batch)?;
        let mut active = ActiveRows::new(self.batch.len());
        self.approach_boundary(access)?;
        for step in 1..=attack.steps {
            let root = (step as f64).sqrt();
            let distances = self.distance(&self.x);
            // The first reach is a tenth of the box, when the distance says nothing yet.
            let of_distance = |d: &f64| if step == 1 { 0.1 } else { self.reach() * d };
            let reach: Vec<f64> = distances.iter().map(of_distance).collect();
            let key = key.child(step as u64);
            let Some(normal) = self.normal(access, &reach, attack.samples(step), key)? else {
                break;
            };
            let direction = threat.norm().steepest_step(normal, 1.0);
            self.step(access, direction, distances.iter().map(|d| d / root).collect())?;
            self.approach_boundary(access)?;
            let scores: Vec<f64> = self.distances.iter().map(|distance| -distance).collect();
            let more = access.proceed(&self.batch, &self.nearest, &scores, threat.norm());
            let near = |d: &f64| stop && *d <= threat.epsilon();
            let near: Vec<bool> = self.distances.iter().map(near).collect();
            if let Some(rows) = active.take(&near, &self.nearest) {
                if active.is_complete() {
                    break;
                }
                self.select(&rows);
            }
            if !more {
                break;
            }
        }
        let outside: Vec<bool> = self.distances.iter().map(|d| *d > threat.epsilon()).collect();
        let rest = where_rows(&outside, self.nearest, &self.batch.images);
        Ok(active.finish(rest))
    }

    /// The number of values of an image, `d`.
    fn values(&self) -> f64 {
        (self.batch.images.shape().num_elements() / self.batch.len()) as f64
    }

    /// The Euclidean length of the samples for the normal, as a share of the distance.
    fn reach(&self) -> f64 {
        let exponent = if self.attack.threat.norm() == Norm::Linf { 0.5 } else { 1.0 };
        self.attack.gamma / self.values().powf(exponent)
    }

    fn decide(
        &self,
        access: &mut ModelAccess<'_>,
        x: &Tensor<4>,
    ) -> Result<Option<Vec<bool>>, AttackError> {
        self.vote.decide(access, &self.batch, x)
    }

    fn distance(&self, x: &Tensor<4>) -> Vec<f64> {
        read(&self.attack.threat.norm().distance(x, &self.batch.images))
    }

    /// Moves `x` towards the originals as far as it stays adversarial, and keeps it if it is the
    /// nearest so far.
    fn approach_boundary(&mut self, access: &mut ModelAccess<'_>) -> Result<(), AttackError> {
        let searches = self.attack.halvings(self.values());
        let norm = self.attack.threat.norm();
        self.x = self.vote.approach(access, &self.batch, norm, &self.x, searches)?;
        let distances = self.distance(&self.x);
        let nearer: Vec<bool> = distances.iter().zip(&self.distances).map(|(a, b)| a < b).collect();
        self.nearest = where_rows(&nearer, self.nearest.clone(), &self.x);
        self.distances = distances.iter().zip(&self.distances).map(|(a, b)| a.min(*b)).collect();
        Ok(())
    }

    /// The estimated normal of the boundary, of Euclidean length one, on the adversarial side, from
    /// as many samples as the budget allows; `None` if it allows no sample.
    fn normal(
        &self,
        access: &mut ModelAccess<'_>,
        reach: &[f64],
        samples: usize,
        key: Key,
    ) -> Result<Option<Tensor<4>>, AttackError> {
        let (x, examples) = (&self.x, &self.batch.examples);
        let reach = per_row(reach, x);
        let mut sums = [x.zeros_like(), x.zeros_like()];
        let mut votes = vec![0.0; self.batch.len()];
        let mut asked = 0;
        for sample in 0..samples as u64 {
            let key = key.child(sample);
            let draws = match self.attack.threat.norm() {
                Norm::Linf => Norm::Linf.random_start(key, x, 1.0, examples),
                _ => normal_rows(key, examples, x),
            };
            let at = x.clone() + Norm::L2.unit(draws) * reach.clone();
            let at = at.clamp(0.0, 1.0);
            let direction = at.clone() - x.clone();
            let Some(reached) = self.decide(access, &at)? else {
                break;
            };
            asked += 1;
            let signs: Vec<f64> = reached.iter().map(|&yes| if yes { 1.0 } else { -1.0 }).collect();
            votes.iter_mut().zip(&signs).for_each(|(sum, sign)| *sum += sign);
            let [signed, plain] = sums;
            sums = [signed + direction.clone() * per_row(&signs, x), plain + direction];
        }
        if asked == 0 {
            return Ok(None);
        }
        let n = f64::from(asked);
        // If all decisions agree there is no variance to reduce, and subtracting the mean would
        // give zero.
        let means: Vec<f64> =
            votes.iter().map(|sum| if sum.abs() == n { 0.0 } else { sum / n }).collect();
        let [signed, plain] = sums;
        Ok(Some(Norm::L2.unit(signed - plain * per_row(&means, x))))
    }

    /// Takes a step along `direction`, halved until it stays adversarial.
    fn step(
        &mut self,
        access: &mut ModelAccess<'_>,
        direction: Tensor<4>,
        mut sizes: Vec<f64>,
    ) -> Result<(), AttackError> {
        let from = self.x.clone();
        let mut done = vec![false; sizes.len()];
        for _ in 0..HALVINGS {
            let ahead = from.clone() + direction.clone() * per_row(&sizes, &from);
            let ahead = ahead.clamp(0.0, 1.0);
            let Some(reached) = self.decide(access, &ahead)? else {
                break;
            };
            let now: Vec<bool> = reached.iter().zip(&done).map(|(a, b)| *a && !b).collect();
            self.x = where_rows(&now, self.x.clone(), &ahead);
            done.iter_mut().zip(now).for_each(|(done, now)| *done |= now);
            if !done.contains(&false) {
                break;
            }
            sizes.iter_mut().for_each(|size| *size *= 0.5);
        }
        Ok(())
    }

    fn select(&mut self, rows: &Rows) {
        self.batch = self.batch.select(rows);
        self.x = rows.of(&self.x);
        self.nearest = rows.of(&self.nearest);
        self.distances = rows.of_list(&self.distances);
    }
}
