//! Predictions of a model over several draws of its noise.

use crate::rows::read_labels;
use crate::{AttackBatch, AttackError, Goal, Loss, ModelAccess, Objective};
use burn::tensor::{FloatDType, Tensor};
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// The severity of an image: how far it misleads the model. The worst of several images is the one
/// that reaches the goal in the most draws, and among equals the one with the largest mean margin.
///
/// By the mean margin alone, one draw with a huge margin would outweigh nineteen correct
/// predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Severity {
    /// Draws in which the goal is reached.
    pub wrong_draws: usize,
    /// The mean over draws of the margin in the attacker's favour.
    pub mean_margin: f64,
}

impl Severity {
    /// True if this image is worse for the model than the other.
    pub fn exceeds(&self, other: &Self) -> bool {
        let by_draws = self.wrong_draws.cmp(&other.wrong_draws);
        by_draws.then(self.mean_margin.total_cmp(&other.mean_margin)).is_gt()
    }
}

/// The predictions for a batch in several draws.
pub struct DrawPredictions {
    /// For each draw, the predicted class of each image.
    pub predicted: Vec<Vec<i64>>,
    /// For each image, the mean over draws of the margin in the attacker's favour. If the goal is
    /// misclassification, that is the largest wrong logit minus the logit of the true class.
    pub margin: Vec<f64>,
    /// For each draw, the margin of each image.
    pub margins: Vec<Vec<f64>>,
    /// The number of classes of the model.
    pub classes: usize,
    /// True if the logits of the first draw look like probabilities: none below zero, each row's
    /// sum within 1e-5 of one.
    pub probabilities: bool,
}

impl ModelAccess<'_> {
    /// Predictions for `images`, perturbed versions of those of `batch`, in draws 0 to `draws` − 1
    /// of `key`.
    ///
    /// # Errors
    ///
    /// As [`logits`](Self::logits).
    pub fn predict_draws(
        &mut self,
        batch: &AttackBatch,
        images: &Tensor<4>,
        key: Key,
        draws: usize,
    ) -> Result<DrawPredictions, AttackError> {
        let objective = Objective::new(Loss::Margin, &batch.goal);
        let mut predictions = DrawPredictions {
            predicted: Vec::new(),
            margin: vec![0.0; batch.len()],
            margins: Vec::new(),
            classes: 0,
            probabilities: false,
        };
        for draw in 0..draws as u64 {
            let logits = self.logits(images, &batch.goal, &batch.examples, key, draw)?;
            let of_row = |rows: Tensor<2>| rows.squeeze_dim::<1>(1);
            // In the device's own element type, which may be bf16, class 257 would be 256.
            let predicted = of_row(logits.clone().argmax(1).cast(FloatDType::F32));
            let (least, sum) = (logits.clone().min_dim(1), logits.clone().sum_dim(1));
            predictions.classes = logits.dims()[1];
            let margin = objective.score(logits);
            let [predicted, margin, least, sum] =
                self.read([predicted, margin, of_row(least), of_row(sum)])?;
            if draw == 0 {
                predictions.probabilities = least.iter().all(|&least| least >= 0.0)
                    && sum.iter().all(|sum| (sum - 1.0).abs() < 1e-5);
            }
            predictions.predicted.push(predicted.into_iter().map(|class| class as i64).collect());
            predictions
                .margin
                .iter_mut()
                .zip(&margin)
                .for_each(|(sum, m)| *sum += m / draws as f64);
            predictions.margins.push(margin);
        }
        Ok(predictions)
    }
}

impl DrawPredictions {
    /// The severity of each example's image.
    pub fn severity(&self, goal: &Goal) -> Vec<Severity> {
        let each = self.reached(goal).into_iter().zip(&self.margin);
        each.map(|(wrong_draws, &mean_margin)| Severity { wrong_draws, mean_margin }).collect()
    }

    /// For each example, the number of draws in which the goal is reached.
    pub fn reached(&self, goal: &Goal) -> Vec<usize> {
        let labels = read_labels(goal.labels());
        let reached = |draw: usize, row: usize| match goal {
            Goal::Misclassify(_) => self.predicted[draw][row] != labels[row],
            Goal::Target(_) => self.predicted[draw][row] == labels[row],
            Goal::Custom { .. } => self.margins[draw][row] > 0.0,
        };
        let draws = 0..self.predicted.len();
        let in_draws = |row| draws.clone().filter(|&draw| reached(draw, row)).count();
        (0..labels.len()).map(in_draws).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_draws_count_before_margins() {
        let of = |wrong_draws, mean_margin| Severity { wrong_draws, mean_margin };
        assert!(of(19, 0.1).exceeds(&of(18, 40.0)));
        assert!(!of(18, 40.0).exceeds(&of(19, 0.1)));
        assert!(of(18, 0.2).exceeds(&of(18, 0.1)));
        assert!(!of(18, 0.1).exceeds(&of(18, 0.1)));
    }
}
