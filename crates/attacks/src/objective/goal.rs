//! The goal of the attacker.

use super::custom::LossFn;
use super::loss::{Loss, logits_at_ranks};
use crate::rows::{align, own_class};
use crate::{AttackError, Rows};
use burn::tensor::{Bool, Int, Tensor};

/// The goal of the attacker for each image of a batch.
///
/// Labels, `[batch]`, are the short form of [`Misclassify`](Self::Misclassify):
/// `attack.on(&model).run(images, labels)`.
///
/// A custom goal is a margin: a [`LossFn`] that is positive exactly if the goal is reached. Attacks
/// count success and compare candidates by it, and raise it if their loss is [`Loss::Margin`]. If
/// an image has several labels, the label can be an index that the function looks up, here a row of
/// a table:
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use cni_attacks::{Attack, Goal, Loss, LossFn, Pgd, Threat};
/// # let device = Device::flex();
/// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3).sub_scalar(0.5);
/// # let images = Tensor::<4>::full([2, 1, 2, 2], 0.6, &device);
/// // Classes 0 and 2 are in the first image, class 3 in the second: a logit above 0 says so.
/// let present = Tensor::<2>::from_data([[1., 0., 1., 0.], [0., 0., 0., 1.]], &device);
/// let rows = Tensor::<1, Int>::from_ints([0, 1], &device);
/// // Reached if one of the image's classes is no longer seen: if the least of their logits is
/// // below 0.
/// let unseen = LossFn::new("a class unseen", move |logits, rows| {
///     let absent = present.clone().select(0, rows.clone()).lower_elem(0.5);
///     -logits.mask_fill(absent, 1e9).min_dim(1).squeeze_dim::<1>(1)
/// });
/// let attack = Pgd::new(Threat::linf(0.2)?).with_loss(Loss::Margin);
/// let found = attack.on(&model).run(images, Goal::custom(rows, unseen))?;
/// assert_eq!(found.success_rate, [1.0, 1.0]);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug)]
pub enum Goal {
    /// Any class but the true ones, given as `[batch]`.
    Misclassify(Tensor<1, Int>),
    /// These classes, `[batch]`.
    Target(Tensor<1, Int>),
    /// A custom goal: [`Goal::custom`], [`Goal::outside_top`].
    Custom {
        /// The labels that the function gets, `[batch]`. For a loss of labels, such as the
        /// cross-entropy, they are the classes to lead away from.
        labels: Tensor<1, Int>,
        /// The margin, positive exactly if the goal is reached.
        margin: LossFn,
    },
}

impl Goal {
    /// A goal that is reached exactly if `margin` of the logits and these labels is positive.
    pub fn custom(labels: Tensor<1, Int>, margin: LossFn) -> Self {
        Self::Custom { labels, margin }
    }

    /// The goal that the true class, given as `[batch]`, is not among the `k` largest logits; `k` =
    /// 1 is misclassification. The margin is the `k`-th largest logit of the other classes minus
    /// that of the true class. The model needs more than `k` classes.
    ///
    /// ```
    /// # use burn::tensor::{Device, Tensor};
    /// use cni_attacks::{Attack, Goal, Loss, Pgd, Threat};
    /// # let device = Device::flex();
    /// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
    /// # let pixels = Tensor::<1>::from_data([0.9, 0.6, 0.5, 0.0], &device);
    /// # let (images, labels) = (pixels.reshape([1, 1, 2, 2]), Tensor::from_ints([0], &device));
    /// let attack = Pgd::new(Threat::linf(0.25)?).with_loss(Loss::Margin);
    /// let found = attack.on(&model).run(images, Goal::outside_top(2, labels)?)?;
    /// assert_eq!(found.success_rate, [1.0]);
    /// # Ok::<(), cni_attacks::AttackError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `k` is zero.
    pub fn outside_top(k: usize, labels: Tensor<1, Int>) -> Result<Self, AttackError> {
        let k = crate::error::at_least_one("k", k)?;
        let margin = move |logits: Tensor<2>, labels: &Tensor<1, Int>| {
            let own = own_class(labels, &logits);
            let others = logits.clone().mask_fill(own.clone(), f64::NEG_INFINITY);
            let [rival] = logits_at_ranks(&others, [k - 1]);
            (rival - logits.mask_fill(own.bool_not(), 0.0).sum_dim(1)).squeeze_dim(1)
        };
        let margin = LossFn::new(format!("outside top {k}"), margin).with_min_classes(k + 1);
        Ok(Self::Custom { labels, margin })
    }

    /// The labels, `[batch]`: the classes to avoid or to seek, or the labels that a custom function
    /// gets.
    pub fn labels(&self) -> &Tensor<1, Int> {
        match self {
            Self::Misclassify(labels) | Self::Target(labels) | Self::Custom { labels, .. } => {
                labels
            }
        }
    }

    /// The same goal with other labels.
    pub(crate) fn map(&self, f: impl FnOnce(&Tensor<1, Int>) -> Tensor<1, Int>) -> Self {
        match self {
            Self::Misclassify(labels) => Self::Misclassify(f(labels)),
            Self::Target(labels) => Self::Target(f(labels)),
            Self::Custom { labels, margin } => {
                Self::Custom { labels: f(labels), margin: margin.clone() }
            }
        }
    }

    /// The goal of some of the images.
    pub(crate) fn select(&self, rows: &Rows) -> Self {
        self.map(|labels| rows.of_labels(labels))
    }

    /// The margin in the attacker's favour of each row of `logits`, `[batch, classes]`: positive
    /// exactly if the goal is reached, `[batch]`.
    pub fn margin(&self, logits: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Misclassify(labels) => Loss::Margin.per_example(logits, labels),
            Self::Target(labels) => -Loss::Margin.per_example(logits, labels),
            Self::Custom { labels, margin } => margin.values(logits, labels),
        }
    }

    /// True if each row of `logits`, `[batch, classes]`, reaches the goal, `[batch]`: by the
    /// predicted class, or by the margin of a custom goal.
    pub fn reached(&self, logits: &Tensor<2>) -> Tensor<1, Bool> {
        let predicted = || align(&logits.clone().inner().argmax(1).squeeze_dim(1), logits);
        match self {
            Self::Misclassify(labels) => predicted().not_equal(align(labels, logits)),
            Self::Target(labels) => predicted().equal(align(labels, logits)),
            Self::Custom { labels, margin } => {
                margin.values(logits.clone().inner(), labels).greater_elem(0.0)
            }
        }
    }

    /// Checks that the goal is misclassification, for an attack that has no other form.
    pub(crate) fn check_untargeted(&self, attack: String) -> Result<(), AttackError> {
        match self {
            Self::Misclassify(_) => Ok(()),
            Self::Target(_) => Err(AttackError::Untargeted { attack }),
            Self::Custom { margin, .. } => {
                Err(AttackError::CustomGoal { attack, goal: margin.name().to_string() })
            }
        }
    }
}

impl From<Tensor<1, Int>> for Goal {
    /// Misclassification of images with these true classes, `[batch]`.
    fn from(labels: Tensor<1, Int>) -> Self {
        Self::Misclassify(labels)
    }
}

impl From<&Goal> for Goal {
    fn from(goal: &Goal) -> Self {
        goal.clone()
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

    #[test]
    fn a_class_is_outside_the_top_k_once_k_others_are_above_it() {
        let device = Device::flex();
        let logits = Tensor::from_data([[3.0, 4.0, 5.0, 1.0]], &device);
        let margin = |k: usize| {
            let goal = Goal::outside_top(k, Tensor::from_ints([0], &device)).unwrap();
            let margin = goal.margin(logits.clone()).into_scalar::<f32>();
            let reached = goal.reached(&logits).into_scalar::<bool>();
            assert_eq!(reached, margin > 0.0);
            margin
        };
        assert_eq!([1, 2, 3].map(margin), [2.0, 1.0, -2.0]);
        assert!(Goal::outside_top(0, Tensor::from_ints([0], &device)).is_err());
    }
}
