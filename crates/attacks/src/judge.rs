//! What a model makes of images, in several draws of its noise.

use crate::problem::read;
use crate::{AttackError, Goal, Loss, Objective, Oracle, Problem};
use burn::tensor::Tensor;
use cni_noise::Key;

/// How a batch fares in a number of draws.
pub(crate) struct Judged {
    /// For each draw the class of each image.
    pub predicted: Vec<Vec<i64>>,
    /// The mean over draws of each image's margin in the attacker's favour, for misclassification the best wrong logit
    /// less the right one.
    pub margin: Vec<f64>,
    /// Whether the logits of the first draw look like probabilities: none below zero, each row's sum within 1e-5 of
    /// one.
    pub probabilities: bool,
}

impl Oracle<'_> {
    /// Classifies `images`, which stand for those of `problem`, in draws 0 to `draws` of `key`.
    pub(crate) fn judge(
        &mut self,
        problem: &Problem,
        images: &Tensor<4>,
        key: Key,
        draws: usize,
    ) -> Result<Judged, AttackError> {
        let objective = Objective::new(Loss::Margin, &problem.goal);
        let mut judged = Judged {
            predicted: Vec::new(),
            margin: vec![0.0; problem.len()],
            probabilities: false,
        };
        for draw in 0..draws as u64 {
            let logits = self.logits(images, &problem.goal, &problem.examples, key, draw)?;
            if draw == 0 {
                let sums = read(&logits.clone().sum_dim(1));
                judged.probabilities = logits.clone().min().into_scalar::<f64>() >= 0.0
                    && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5);
            }
            let predicted = logits.clone().argmax(1);
            judged.predicted.push(predicted.try_to_vec_as().expect("the device can be read"));
            let margin = read(&objective.score(logits));
            judged.margin.iter_mut().zip(margin).for_each(|(sum, m)| *sum += m / draws as f64);
        }
        Ok(judged)
    }
}

impl Judged {
    /// For each example, in how many draws the attacker has what it wants.
    pub fn reached(&self, goal: &Goal) -> Vec<usize> {
        let labels: Vec<i64> = goal.labels().try_to_vec_as().expect("the device can be read");
        let wants = |class: i64, label: i64| match goal {
            Goal::Misclassify(_) => class != label,
            Goal::Target(_) => class == label,
        };
        let in_draws = |(row, &label): (usize, &i64)| {
            self.predicted.iter().filter(|draw| wants(draw[row], label)).count()
        };
        labels.iter().enumerate().map(in_draws).collect()
    }
}
