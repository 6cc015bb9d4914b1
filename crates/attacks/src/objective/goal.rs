//! What the attacker wants.

use crate::Rows;
use crate::rows::align;
use burn::tensor::{Bool, Int, Tensor};

/// The class an attacker avoids or seeks, for each image of a batch.
#[derive(Clone, Debug)]
pub enum Goal {
    /// Any class but the true ones, given as `[batch]`.
    Misclassify(Tensor<1, Int>),
    /// These classes, `[batch]`.
    Target(Tensor<1, Int>),
}

impl Goal {
    /// The sign of the loss that the attacker climbs: +1 away from the true label, −1 towards a target.
    pub fn direction(&self) -> f64 {
        match self {
            Self::Misclassify(_) => 1.0,
            Self::Target(_) => -1.0,
        }
    }

    /// The classes to avoid or to seek, `[batch]`.
    pub fn labels(&self) -> &Tensor<1, Int> {
        match self {
            Self::Misclassify(labels) | Self::Target(labels) => labels,
        }
    }

    /// The same goal with other labels.
    pub(crate) fn map(&self, f: impl FnOnce(&Tensor<1, Int>) -> Tensor<1, Int>) -> Self {
        match self {
            Self::Misclassify(labels) => Self::Misclassify(f(labels)),
            Self::Target(labels) => Self::Target(f(labels)),
        }
    }

    /// The goal of some of the images.
    pub(crate) fn select(&self, rows: &Rows) -> Self {
        self.map(|labels| rows.of_labels(labels))
    }

    /// Whether the largest of each row of `logits`, `[batch, classes]`, is what the attacker wants, `[batch]`.
    pub fn reached(&self, logits: &Tensor<2>) -> Tensor<1, Bool> {
        let predicted = logits.clone().inner().argmax(1).squeeze_dim(1);
        let (predicted, labels) = (align(&predicted, logits), align(self.labels(), logits));
        match self {
            Self::Misclassify(_) => predicted.not_equal(labels),
            Self::Target(_) => predicted.equal(labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_goal_is_reached_by_the_largest_logit() {
        let device = Device::flex();
        let logits = Tensor::from_data([[0.1, 0.9, 0.0], [2.0, -1.0, 1.9]], &device);
        let labels = Tensor::from_ints([1, 1], &device);
        let reached = |goal: Goal| goal.reached(&logits).try_to_vec_as::<bool>().unwrap();
        assert_eq!(reached(Goal::Misclassify(labels.clone())), [false, true]);
        assert_eq!(reached(Goal::Target(labels)), [true, false]);
    }
}
