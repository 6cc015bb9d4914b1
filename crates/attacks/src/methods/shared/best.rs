//! The best of several candidates, by success before loss.

use crate::rows::where_rows;
use crate::{AttackError, Eot, Goal, Loss, ModelAccess, Objective, Rows};
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, Key};

/// The merit of an image for an attack. Candidates are compared by how often the goal is reached,
/// then by the margin, and, if both are equal, by the attack's loss.
///
/// By the loss alone, a restart that fools the model could lose to one that does not, so that more
/// restarts could leave more examples robust.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Merit {
    /// The share of the draws in which the goal is reached; for an expectation of logits or
    /// probabilities, 1 if their mean reaches it, otherwise 0.
    pub reached: f64,
    /// The mean margin in the attacker's favour.
    pub margin: f64,
    /// The mean of the attack's loss.
    pub loss: f64,
}

impl Merit {
    /// The merit before any candidate.
    pub const NONE: Self = Self { reached: 0.0, margin: f64::NEG_INFINITY, loss: 0.0 };

    /// The merit of each row.
    pub fn rows([reached, margin, loss]: &[Vec<f64>; 3]) -> Vec<Self> {
        let of_row =
            |row: usize| Self { reached: reached[row], margin: margin[row], loss: loss[row] };
        (0..reached.len()).map(of_row).collect()
    }

    /// True if this candidate is better than the other.
    pub fn exceeds(&self, other: &Self) -> bool {
        let order = self.reached.total_cmp(&other.reached);
        let order = order.then(self.margin.total_cmp(&other.margin));
        order.then(self.loss.total_cmp(&other.loss)).is_gt()
    }
}

/// The best candidate of each example so far.
///
/// All candidates are scored under the same draws of the model's noise, which no gradient uses. A
/// candidate that fits only the noise of its own gradient does not win.
pub(crate) struct KeepBest {
    /// The goal of the current rows.
    pub goal: Goal,
    objective: Objective,
    eot: Eot,
    key: Key,
    best: Option<(Tensor<4>, Vec<Merit>)>,
}

impl KeepBest {
    /// The choice for an attack that raises the margin.
    pub fn new(goal: &Goal, eot: Eot, key: Key) -> Self {
        Self::of_loss(goal, Loss::Margin, eot, key)
    }

    /// The choice for an attack that raises this loss.
    pub fn of_loss(goal: &Goal, loss: Loss, eot: Eot, key: Key) -> Self {
        Self { goal: goal.clone(), objective: Objective::new(loss, goal), eot, key, best: None }
    }

    /// Keeps only the given rows.
    pub fn select(&mut self, rows: &Rows) {
        self.goal = self.goal.select(rows);
        self.objective = self.objective.select(rows);
        let kept =
            |(images, record): (Tensor<4>, Vec<Merit>)| (rows.of(&images), rows.of_list(&record));
        self.best = self.best.take().map(kept);
    }

    /// The best so far.
    pub fn images(&self) -> Option<&Tensor<4>> {
        self.best.as_ref().map(|(images, _)| images)
    }

    /// The margins of the best so far; empty before the first candidate.
    pub fn margins(&self) -> Vec<f64> {
        let merits = self.best.as_ref().map_or(&[][..], |(_, record)| record);
        merits.iter().map(|merit| merit.margin).collect()
    }

    /// Scores `candidate` and keeps it for the examples in which it is the best so far. Returns its
    /// margins.
    pub fn consider(
        &mut self,
        access: &mut ModelAccess<'_>,
        candidate: &Tensor<4>,
        examples: &ExampleIds,
    ) -> Result<Vec<f64>, AttackError> {
        let merits = self.evaluate(access, candidate, examples)?;
        Ok(merits.iter().map(|merit| merit.margin).collect())
    }

    /// As [`consider`](Self::consider); returns the candidate's merits.
    pub fn evaluate(
        &mut self,
        access: &mut ModelAccess<'_>,
        candidate: &Tensor<4>,
        examples: &ExampleIds,
    ) -> Result<Vec<Merit>, AttackError> {
        let (objective, goal) = (&self.objective, &self.goal);
        let (scores, success) =
            access.success(candidate, objective, goal, examples, self.eot, self.key)?;
        let lists = access.read([success.reached, success.margin, scores.score])?;
        let merits = Merit::rows(&lists);
        self.best = Some(match self.best.take() {
            None => (candidate.clone(), merits.clone()),
            Some((images, record)) => {
                let better: Vec<bool> =
                    merits.iter().zip(&record).map(|(new, old)| new.exceeds(old)).collect();
                let kept = merits.iter().zip(record).zip(&better);
                let record = kept.map(|((&new, old), &better)| if better { new } else { old });
                (where_rows(&better, images, candidate), record.collect())
            }
        });
        Ok(merits)
    }

    /// The best of all candidates; `otherwise` if there was none.
    pub fn into_images(self, otherwise: Tensor<4>) -> Tensor<4> {
        self.best.map_or(otherwise, |(images, _)| images)
    }
}
