//! The objective of an attack: its goal, loss, and expectation over noise.

mod custom;
pub(crate) mod eot;
mod finite;
mod goal;
mod gradient;
mod loss;
mod passes;

pub use self::custom::LossFn;
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
    /// A loss: increased away from a label, decreased towards a target.
    Goal {
        /// The loss.
        loss: Loss,
        /// The attacker's goal.
        goal: Goal,
    },
    /// The logit of one class above that of another.
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
    /// The objective that a loss gives for a goal.
    pub fn new(loss: Loss, goal: &Goal) -> Self {
        Self::Goal { loss, goal: goal.clone() }
    }

    /// The score of each row of `logits`, `[batch, classes]`.
    ///
    /// The values of a custom function are not checked here; [`score`](crate::score) checks them.
    ///
    /// # Panics
    ///
    /// As [`Loss::per_example`].
    pub fn score(&self, logits: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Goal { loss: Loss::Margin, goal } => goal.margin(logits),
            Self::Goal { loss, goal: Goal::Target(labels) } => -loss.per_example(logits, labels),
            Self::Goal { loss, goal } => loss.per_example(logits, goal.labels()),
            Self::Pair { loss, from, to } => loss.per_example(logits, from, to),
        }
    }

    /// The [`score`](Self::score), after a check that a custom function gives one value for each
    /// row.
    pub(crate) fn checked_score(&self, logits: Tensor<2>) -> Result<Tensor<1>, AttackError> {
        let [batch, _] = logits.dims();
        let score = self.score(logits);
        if let Some(function) = self.function() {
            function.check_shape(&score, batch)?;
        }
        Ok(score)
    }

    /// The custom function that gives the score, if there is one.
    pub(crate) fn function(&self) -> Option<&LossFn> {
        match self {
            Self::Goal { loss: Loss::Custom(function), .. }
            | Self::Goal { loss: Loss::Margin, goal: Goal::Custom { margin: function, .. } } => {
                Some(function)
            }
            _ => None,
        }
    }

    /// The labels that must be classes of the model; `None` if only custom functions use them.
    pub(crate) fn classes(&self) -> Option<&Tensor<1, Int>> {
        match self {
            Self::Goal { loss: Loss::Margin | Loss::Custom(_), goal: Goal::Custom { .. } } => None,
            _ => Some(self.labels()),
        }
    }

    /// The labels, one for each image.
    pub(crate) fn labels(&self) -> &Tensor<1, Int> {
        match self {
            Self::Goal { goal, .. } => goal.labels(),
            Self::Pair { from, .. } => from,
        }
    }

    /// The objective of some of the images.
    pub(crate) fn select(&self, rows: &Rows) -> Self {
        match self {
            Self::Goal { loss, goal } => Self::Goal { loss: loss.clone(), goal: goal.select(rows) },
            Self::Pair { loss, from, to } => {
                let [from, to] = [from, to].map(|labels| rows.of_labels(labels));
                Self::Pair { loss: *loss, from, to }
            }
        }
    }

    /// Checks that the model has as many classes as loss and goal need.
    pub(crate) fn check(&self, classes: usize) -> Result<(), AttackError> {
        let (of_loss, margin) = match self {
            Self::Goal { loss, goal: Goal::Custom { margin, .. } } => {
                (loss.classes(), Some(margin))
            }
            Self::Goal { loss, .. } => (loss.classes(), None),
            Self::Pair { loss, .. } => (loss.classes(), None),
        };
        let too_few = |wanted: usize, of: String| match classes < wanted {
            true => Err(AttackError::Classes { got: classes, wanted, of }),
            false => Ok(()),
        };
        too_few(of_loss, "this loss".to_string())?;
        margin.map_or(Ok(()), |margin| too_few(margin.min_classes(), margin.name().to_string()))
    }
}
