//! What an attack climbs.

pub(crate) mod eot;
mod finite;
mod goal;
mod gradient;
mod loss;
mod passes;

pub use self::eot::{Eot, Expectation, draw_scope};
pub(crate) use self::finite::{
    Flags, check_batch, check_examples, check_not_empty, check_shape, settle,
};
pub use self::goal::Goal;
pub use self::gradient::{InputGradient, Scores, input_gradient, score};
pub(crate) use self::gradient::{gradient_on_trust, score_on_trust};
pub use self::loss::{Loss, PairLoss};
pub use self::passes::Passes;

use crate::{AttackError, Rows};
use burn::tensor::{Int, Tensor};

/// A score of each example by itself, the larger the better for the attacker.
#[derive(Clone, Debug)]
pub enum Objective {
    /// A loss, upwards away from a label, downwards towards a target.
    Goal {
        /// The loss.
        loss: Loss,
        /// What the attacker wants.
        goal: Goal,
    },
    /// One class above another.
    Pair {
        /// The loss.
        loss: PairLoss,
        /// The classes to leave, `[batch]`.
        from: Tensor<1, Int>,
        /// The classes to reach, `[batch]`.
        to: Tensor<1, Int>,
    },
}

impl Objective {
    /// A loss climbed towards a goal.
    pub fn new(loss: Loss, goal: &Goal) -> Self {
        Self::Goal { loss, goal: goal.clone() }
    }

    /// The score of each row of `logits`, `[batch, classes]`.
    pub fn score(&self, logits: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Goal { loss, goal: Goal::Misclassify(labels) } => {
                loss.per_example(logits, labels)
            }
            Self::Goal { loss, goal: Goal::Target(labels) } => -loss.per_example(logits, labels),
            Self::Pair { loss, from, to } => loss.per_example(logits, from, to),
        }
    }

    /// The classes that it is about.
    pub(crate) fn labels(&self) -> &Tensor<1, Int> {
        match self {
            Self::Goal { goal, .. } => goal.labels(),
            Self::Pair { from, .. } => from,
        }
    }

    /// The objective of some of the images.
    pub(crate) fn select(&self, rows: &Rows) -> Self {
        match self {
            Self::Goal { loss, goal } => Self::Goal { loss: *loss, goal: goal.select(rows) },
            Self::Pair { loss, from, to } => {
                let [from, to] = [from, to].map(|labels| rows.of_labels(labels));
                Self::Pair { loss: *loss, from, to }
            }
        }
    }

    /// That the model tells as many classes apart as the loss compares.
    pub(crate) fn check(&self, classes: usize) -> Result<(), AttackError> {
        let wanted = match self {
            Self::Goal { loss, .. } => loss.classes(),
            Self::Pair { loss, .. } => loss.classes(),
        };
        if classes < wanted {
            return Err(AttackError::Classes { got: classes, wanted, of: "this loss".to_string() });
        }
        Ok(())
    }
}
