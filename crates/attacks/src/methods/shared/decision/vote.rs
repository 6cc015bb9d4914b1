//! The decision of a stochastic model by vote, and binary search along a segment.

use crate::rows::{per_row, read, where_rows};
use crate::{AttackBatch, AttackError, ModelAccess, Norm};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The decision of a model by vote: an image reaches the goal if it does so in more than half of
/// some draws of the noise. The draws are the same throughout, so that the boundary does not move.
#[derive(Clone, Copy)]
pub(crate) struct Vote {
    draws: usize,
    key: Key,
}

impl Vote {
    pub fn new(draws: usize, key: Key) -> Self {
        Self { draws, key }
    }

    /// The number of draws in which each image reaches the goal, `[batch]`. `None`, without a pass,
    /// if the budget has no room for it.
    pub fn ask(
        self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        x: &Tensor<4>,
    ) -> Result<Option<Tensor<1>>, AttackError> {
        if !access.affords(self.draws as u64) {
            return Ok(None);
        }
        let mut votes: Option<Tensor<1>> = None;
        for draw in 0..self.draws as u64 {
            let logits = access.logits(x, &batch.goal, &batch.examples, self.key, draw)?;
            let reached = batch.goal.reached(&logits).float();
            votes = Some(match votes.take() {
                None => reached,
                Some(votes) => votes + reached,
            });
        }
        Ok(votes)
    }

    /// The decisions by majority.
    pub fn decided(self, votes: Vec<f64>) -> Vec<bool> {
        votes.into_iter().map(|votes| 2.0 * votes > self.draws as f64).collect()
    }

    /// True if each image reaches the goal; `None` as in [`ask`](Self::ask).
    pub fn decide(
        self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        x: &Tensor<4>,
    ) -> Result<Option<Vec<bool>>, AttackError> {
        let Some(votes) = self.ask(access, batch, x)? else {
            return Ok(None);
        };
        let [votes] = access.read([votes])?;
        Ok(Some(self.decided(votes)))
    }

    /// Moves adversarial images `x` towards the originals as far as they stay adversarial, by
    /// halving the way so many times, or until the budget ends.
    pub fn approach(
        self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        norm: Norm,
        x: &Tensor<4>,
        halvings: usize,
    ) -> Result<Tensor<4>, AttackError> {
        let distances = read(&norm.distance(x, &batch.images));
        let mut nearest = x.clone();
        let mut low = vec![0.0; distances.len()];
        let mut high = vec![1.0; distances.len()];
        for _ in 0..halvings {
            let middle: Vec<f64> = low.iter().zip(&high).map(|(a, b)| 0.5 * (a + b)).collect();
            let between = towards(norm, x, &batch.images, &middle, &distances);
            let Some(reached) = self.decide(access, batch, &between)? else {
                break;
            };
            for (row, share) in middle.into_iter().enumerate() {
                let end = if reached[row] { &mut high } else { &mut low };
                end[row] = share;
            }
            // The very image that was tested, not one computed again with other rounding.
            nearest = where_rows(&reached, nearest, &between);
        }
        Ok(nearest)
    }
}

/// Images at this share of the way from the originals to `x`: in Linf, as near as that share of the
/// distance.
fn towards(
    norm: Norm,
    x: &Tensor<4>,
    clean: &Tensor<4>,
    shares: &[f64],
    distances: &[f64],
) -> Tensor<4> {
    match norm {
        Norm::L2 => {
            let shares = per_row(shares, x);
            clean.clone() + (x.clone() - clean.clone()) * shares
        }
        _ => {
            let near: Vec<f64> = shares.iter().zip(distances).map(|(a, b)| a * b).collect();
            let near = per_row(&near, x);
            x.clone().max_pair(clean.clone() - near.clone()).min_pair(clean.clone() + near)
        }
    }
    .clamp(0.0, 1.0)
}
