//! The runs of FAB.

use super::Fab;
use super::step::Step;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::methods::shared::targets::{Pair, targets};
use crate::rows::{per_row, where_rows};
use crate::threat::on_host::Images;
use crate::{AttackError, Goal, Loss, ModelAccess, Objective, PairLoss, Rows};
use burn::tensor::{Int, Tensor};
use cni_noise::Key;

impl Fab {
    /// The class boundaries of each run, as objectives.
    pub(super) fn boundaries(
        &self,
        access: &mut ModelAccess<'_>,
        search: &NearestSearch,
        key: Key,
    ) -> Result<Vec<Vec<Objective>>, AttackError> {
        let difference = |pair: Pair| pair.objective(PairLoss::Difference);
        Ok(match (&search.batch.goal, self.targets) {
            (Goal::Target(_) | Goal::Custom { .. }, _) => {
                vec![vec![Objective::new(Loss::Margin, &search.batch.goal)]]
            }
            (_, Some(most)) => {
                let pairs = targets(access, &search.batch, self.eot, key, most)?;
                pairs.into_iter().map(|pair| vec![difference(pair)]).collect()
            }
            (Goal::Misclassify(labels), None) => {
                let other = |shift: usize| -> Tensor<1, Int> {
                    let shifted = labels.clone().add_scalar(shift as i64);
                    shifted.remainder_scalar(search.classes as i64)
                };
                let pair = |shift| Pair { from: labels.clone(), to: other(shift) };
                vec![(1..search.classes).map(|shift| difference(pair(shift))).collect()]
            }
        })
    }

    /// One run on all rows. Returns whether the budget allows another.
    pub(super) fn descend(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut NearestSearch,
        runs: &mut [Vec<Objective>],
        run: usize,
        start: Option<Key>,
        key: Key,
    ) -> Result<bool, AttackError> {
        let norm = self.threat.norm();
        let step = Step { norm, alpha_max: self.alpha_max, eta: self.eta };
        let mut x = search.batch.images.clone();
        if let Some(key) = start {
            let half: Vec<f64> = search.reach().iter().map(|reach| 0.5 * reach).collect();
            let change = norm.random_surface(key, &x, 1.0, &search.batch.examples);
            let change = change * per_row(&half, &x);
            x = (x + change).clamp(0.0, 1.0);
        }
        let mut on_host = Images::read(&search.batch.images);
        for number in 0..self.steps as u64 {
            let key = key.child(number);
            let plane = search.nearest_plane(access, &x, &runs[run], self.eot, key)?;
            x = step.take(&x, &on_host, &plane);
            let evaluated = search.evaluate(access, &x, None)?;
            if !search.proceed(access, &x, &evaluated) {
                return Ok(false);
            }
            let originals = search.batch.images.clone();
            let back = originals.clone() + (x.clone() - originals).mul_scalar(self.beta);
            x = where_rows(&evaluated.reached, x, &back);
            if search.early
                && let Some(rows) = leave(search, runs)
            {
                if search.is_complete() {
                    return Ok(true);
                }
                x = rows.of(&x);
                on_host = on_host.select(rows.as_slice());
            }
        }
        search.bisect(access, self.bisection, |x| x)
    }
}

/// Lets rows with an image within the threat leave.
pub(super) fn leave(search: &mut NearestSearch, runs: &mut [Vec<Objective>]) -> Option<Rows> {
    let rows = search.leave(&search.within())?;
    if !search.is_complete() {
        for objective in runs.iter_mut().flatten() {
            *objective = objective.select(&rows);
        }
    }
    Some(rows)
}
