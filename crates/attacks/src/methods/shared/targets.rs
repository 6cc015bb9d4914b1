//! The target classes of targeted attacks.

use crate::rows::read_labels;
use crate::{AttackBatch, AttackError, Eot, Goal, Loss, ModelAccess, Objective, PairLoss};
use burn::tensor::{Int, IntDType, Tensor};
use cni_noise::Key;

/// A class to leave and one to reach, for each image.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub from: Tensor<1, Int>,
    pub to: Tensor<1, Int>,
}

impl Pair {
    pub fn objective(self, loss: PairLoss) -> Objective {
        Objective::Pair { loss, from: self.from, to: self.to }
    }
}

/// Pairs of the true class and, in turn, each of the `most` wrong classes with the largest mean
/// logits at the images.
///
/// For a targeted goal the only pair leads from the most likely other class to the target. A custom
/// goal, which names no class, is an error.
pub(crate) fn targets(
    access: &mut ModelAccess<'_>,
    batch: &AttackBatch,
    eot: Eot,
    key: Key,
    most: usize,
) -> Result<Vec<Pair>, AttackError> {
    if let Goal::Custom { margin, .. } = &batch.goal {
        let (attack, goal) = (access.attack_name().to_string(), margin.name().to_string());
        return Err(AttackError::CustomGoal { attack, goal });
    }
    let objective = Objective::new(Loss::Margin, &batch.goal);
    let logits = access.score(&batch.images, &objective, &batch.examples, eot, key)?.logits;
    let [rows, classes] = logits.dims();
    let labels = read_labels(batch.goal.labels());
    let [logits] = access.read([logits.reshape([-1])])?;
    // The other classes of each image, the likeliest first.
    let others: Vec<Vec<usize>> = (labels.iter().zip(logits.chunks(classes)))
        .map(|(&label, logits)| {
            let mut order: Vec<usize> = (0..classes).filter(|&c| c as i64 != label).collect();
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
            order
        })
        .collect();
    let device = batch.images.device();
    let classes_at = |rank: usize| -> Tensor<1, Int> {
        let column: Vec<i32> = others.iter().map(|order| order[rank] as i32).collect();
        debug_assert_eq!(column.len(), rows);
        Tensor::<1, Int>::from_data(column.as_slice(), &device).cast(IntDType::I32)
    };
    Ok(match &batch.goal {
        Goal::Misclassify(labels) => (0..most.min(classes - 1))
            .map(|rank| Pair { from: labels.clone(), to: classes_at(rank) })
            .collect(),
        Goal::Target(labels) | Goal::Custom { labels, .. } => {
            vec![Pair { from: classes_at(0), to: labels.clone() }]
        }
    })
}
