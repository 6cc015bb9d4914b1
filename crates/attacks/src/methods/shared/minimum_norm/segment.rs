//! The boundary on the segment from an image to its adversarial one.

use super::NearestSearch;
use crate::rows::{ActiveRows, per_row};
use crate::{AttackError, ModelAccess, Rows};
use burn::tensor::Tensor;

impl NearestSearch {
    /// Binary search with `steps` halvings, on the segment from each image to its nearest
    /// adversarial one, for the boundary. `round` maps a point to a valid image. Returns whether
    /// the budget allows more.
    pub fn bisect(
        &mut self,
        access: &mut ModelAccess<'_>,
        steps: usize,
        round: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<bool, AttackError> {
        let found: Vec<bool> = self.distances.iter().map(|distance| distance.is_finite()).collect();
        if steps == 0 || self.is_complete() || !found.contains(&true) {
            return Ok(access.has_budget());
        }
        let rows = Rows::wherever(found, &self.nearest);
        let mut part = Self {
            batch: self.batch.select(&rows),
            margin: self.margin.select(&rows),
            nearest: rows.of(&self.nearest),
            distances: rows.of_list(&self.distances),
            sizes: rows.of_list(&self.sizes),
            active: ActiveRows::new(rows.as_slice().len()),
            ..*self
        };
        let more = part.bisect_all(access, steps, round)?;
        for (at, &row) in rows.as_slice().iter().enumerate() {
            self.distances[row] = part.distances[at];
            self.sizes[row] = part.sizes[at];
        }
        self.nearest = rows.replace(&self.nearest, &part.nearest);
        Ok(more)
    }

    fn bisect_all(
        &mut self,
        access: &mut ModelAccess<'_>,
        steps: usize,
        round: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<bool, AttackError> {
        let clean = self.batch.images.clone();
        let change = self.nearest.clone() - clean.clone();
        let mut bounds = vec![[0.0, 1.0]; self.batch.len()];
        for _ in 0..steps {
            let middles: Vec<f64> = bounds.iter().map(|[low, high]| 0.5 * (low + high)).collect();
            let x = round(clean.clone() + change.clone() * per_row(&middles, &clean));
            let evaluated = self.evaluate(access, &x, None)?;
            for (row, &reached) in evaluated.reached.iter().enumerate() {
                bounds[row][usize::from(reached)] = middles[row];
            }
            if !self.proceed(access, &x, &evaluated) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
