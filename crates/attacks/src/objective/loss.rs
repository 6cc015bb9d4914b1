//! Losses, which an attack raises, or lowers towards a target.

use super::custom::LossFn;
use crate::rows::{at_least_single, own_class};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A loss of each example by itself: the larger, the farther the model is from the label.
///
/// Adaptive attacks (Tramèr et al., arXiv 2002.08347) use a custom loss:
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Attack, Loss, Pgd, Threat};
/// # let device = Device::flex();
/// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
/// # let images = Tensor::<4>::full([2, 1, 2, 2], 0.5, &device);
/// # let labels = Tensor::from_ints([0, 3], &device);
/// // The negative logit of the true class.
/// let logit = Loss::custom("logit", |logits, labels| {
///     -logits.gather(1, labels.clone().unsqueeze_dim(1)).squeeze_dim::<1>(1)
/// });
/// let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_loss(logit);
/// assert_eq!(attack.name(), "PGD-10-logit");
/// let found = attack.on(&model).run(images, labels)?;
/// assert_eq!(found.success_rate, [1.0, 1.0]);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `−log softmax(z)_y`. Its gradient vanishes if the model is confident.
    #[default]
    CrossEntropy,
    /// `max_{j≠y} z_j − z_y`, positive exactly if `y` is not the prediction. The loss of Carlini
    /// and Wagner (arXiv 1608.04644, equation 7, without its cut at −κ).
    Margin,
    /// The difference of logits ratio, `(max_{j≠y} z_j − z_y) / (z₍₁₎ − z₍₃₎)` with the logits in
    /// falling order (Croce and Hein, arXiv 2003.01690, equation 6). Invariant to shifts and
    /// positive scalings of the logits. Needs three classes.
    Dlr,
    /// A custom function: [`Loss::custom`].
    Custom(LossFn),
}

/// Keeps the quotient of a DLR loss finite if the logits are equal.
const TINY: f64 = 1e-12;

impl Loss {
    /// A function of logits `[batch, classes]` and labels `[batch]` that gives a loss of each
    /// example, `[batch]`, under a name for records: see [`LossFn`].
    pub fn custom(
        name: impl Into<std::sync::Arc<str>>,
        function: impl Fn(Tensor<2>, &Tensor<1, Int>) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(LossFn::new(name, function))
    }

    /// The loss of each row of `logits`, `[batch, classes]`, against its label, `[batch]`.
    ///
    /// Labels are not checked here: one that names no class counts as a class of logit zero in
    /// [`Margin`](Self::Margin), and gives zero in [`CrossEntropy`](Self::CrossEntropy). Half
    /// precision is computed in single.
    ///
    /// # Panics
    ///
    /// If there are fewer classes than the loss compares: two, or three in [`Dlr`](Self::Dlr).
    pub fn per_example(&self, logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
        assert_classes(&logits, self.classes());
        let logits = at_least_single(logits);
        let own = own_class(labels, &logits);
        // A masked sum instead of a gather: the gradient of a gather scatters, in no fixed order on
        // some devices.
        let of_own = |values: Tensor<2>| values.mask_fill(own.clone().bool_not(), 0.0).sum_dim(1);
        let margin = |logits: Tensor<2>| {
            let others = logits.clone().mask_fill(own.clone(), f64::NEG_INFINITY);
            others.max_dim(1) - of_own(logits)
        };
        let loss = match self {
            Self::CrossEntropy => -of_own(log_softmax(logits, 1)),
            Self::Margin => margin(logits),
            Self::Dlr => {
                let [first, third] = logits_at_ranks(&logits, [0, 2]);
                margin(logits) / (first - third).add_scalar(TINY)
            }
            Self::Custom(function) => return function.values(logits, labels),
        };
        loss.squeeze_dim(1)
    }
}

impl Loss {
    /// The suffix for an attack's name; empty for the cross-entropy.
    pub(crate) fn suffix(&self) -> Cow<'static, str> {
        match self {
            Self::CrossEntropy => "".into(),
            Self::Margin => "-margin".into(),
            Self::Dlr => "-DLR".into(),
            Self::Custom(function) => format!("-{}", function.name()).into(),
        }
    }

    /// The fewest classes that the loss needs.
    pub fn classes(&self) -> usize {
        match self {
            Self::CrossEntropy | Self::Margin => 2,
            Self::Dlr => 3,
            Self::Custom(function) => function.min_classes(),
        }
    }
}

/// A loss that leads from one class `y` to another class `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairLoss {
    /// `z_t − z_y`.
    Difference,
    /// `(z_t − z_y) / (z₍₁₎ − (z₍₃₎ + z₍₄₎) / 2)` (Croce and Hein, arXiv 2003.01690, equation 7).
    /// Needs four classes.
    Dlr,
}

impl PairLoss {
    /// The loss of each row of `logits`, `[batch, classes]`, from class `y` towards class `t`, both
    /// `[batch]`. Half precision is computed in single.
    ///
    /// # Panics
    ///
    /// If there are fewer classes than the loss compares: two, or four in [`Dlr`](Self::Dlr).
    pub fn per_example(
        self,
        logits: Tensor<2>,
        y: &Tensor<1, Int>,
        t: &Tensor<1, Int>,
    ) -> Tensor<1> {
        assert_classes(&logits, self.classes());
        let logits = at_least_single(logits);
        let [own, other] = [y, t].map(|labels| own_class(labels, &logits));
        let of =
            |class: Bools, values: Tensor<2>| values.mask_fill(class.bool_not(), 0.0).sum_dim(1);
        let difference = of(other, logits.clone()) - of(own, logits.clone());
        match self {
            Self::Difference => difference,
            Self::Dlr => {
                let [first, third, fourth] = logits_at_ranks(&logits, [0, 2, 3]);
                let middle = (third + fourth).mul_scalar(0.5);
                difference / (first - middle).add_scalar(TINY)
            }
        }
        .squeeze_dim(1)
    }

    /// The fewest classes that the loss needs.
    pub fn classes(self) -> usize {
        match self {
            Self::Difference => 2,
            Self::Dlr => 4,
        }
    }
}

fn assert_classes(logits: &Tensor<2>, wanted: usize) {
    let [_, got] = logits.dims();
    assert!(got >= wanted, "classes: got {got}, wanted at least {wanted} for this loss");
}

type Bools = Tensor<2, Bool>;

/// The largest logit of each row, the second largest and so on, as `ranks` count them from 0:
/// `[batch, 1]` each.
pub(super) fn logits_at_ranks<const N: usize>(
    logits: &Tensor<2>,
    ranks: [usize; N],
) -> [Tensor<2>; N] {
    let order = logits.clone().inner().argsort_descending(1);
    ranks.map(|rank| {
        let class = order.clone().narrow(1, rank, 1).squeeze_dim(1);
        let others = own_class(&class, logits).bool_not();
        logits.clone().mask_fill(others, 0.0).sum_dim(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Tolerance};

    #[test]
    fn losses_are_their_formulas() {
        let options = (&Device::flex(), DType::F64);
        let logits = Tensor::from_data([[1.0, 2.0, 4.0], [0.5, -3.0, 0.0]], options);
        let labels = Tensor::from_ints([1, 0], &Device::flex());
        let near = |loss: Loss, wanted: [f64; 2]| {
            let got = loss.per_example(logits.clone(), &labels).into_data();
            got.assert_approx_eq::<f64>(&wanted.into(), Tolerance::absolute(1e-12));
        };
        let log_sum = |z: [f64; 3]| z.iter().map(|z| z.exp()).sum::<f64>().ln();
        near(Loss::CrossEntropy, [log_sum([1.0, 2.0, 4.0]) - 2.0, log_sum([0.5, -3.0, 0.0]) - 0.5]);
        near(Loss::Margin, [4.0 - 2.0, 0.0 - 0.5]);
        near(Loss::Dlr, [(4.0 - 2.0) / (4.0 - 1.0), (0.0 - 0.5) / (0.5 + 3.0)]);
    }

    #[test]
    fn pair_losses_are_their_formulas_and_dlr_ignores_scale_and_shift() {
        let options = (&Device::flex(), DType::F64);
        let logits = Tensor::<2>::from_data([[1.0, 2.0, 4.0, -1.0, 0.0]], options);
        let [y, t] = [0, 3].map(|class| Tensor::from_ints([class], &Device::flex()));
        let pair = |loss: PairLoss, logits: &Tensor<2>| {
            loss.per_example(logits.clone(), &y, &t).into_scalar::<f64>()
        };
        assert_eq!(pair(PairLoss::Difference, &logits), -2.0);
        let dlr = pair(PairLoss::Dlr, &logits);
        assert!((dlr + 2.0 / (4.0 - 0.5)).abs() < 1e-12, "{dlr}");
        let moved = logits.clone().mul_scalar(7.0).add_scalar(-30.0);
        assert!((pair(PairLoss::Dlr, &moved) - dlr).abs() < 1e-12);
        let plain =
            |logits: &Tensor<2>| Loss::Dlr.per_example(logits.clone(), &y).into_scalar::<f64>();
        assert!((plain(&moved) - plain(&logits)).abs() < 1e-12);
    }

    #[test]
    fn every_integer_type_of_label_is_understood() {
        let device = Device::flex();
        let logits = Tensor::from_data([[1.0, 2.0, 4.0]], &device);
        for dtype in [DType::I64, DType::I32, DType::U8] {
            let labels = Tensor::<1, Int>::from_data([1], (&device, dtype));
            let loss = Loss::Margin.per_example(logits.clone(), &labels);
            assert_eq!(loss.into_scalar::<f32>(), 2.0, "{dtype:?}");
        }
    }
}
