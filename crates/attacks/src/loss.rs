//! What an attack climbs, or descends towards a target.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, DType, Int, IntDType, Tensor};
use serde::{Deserialize, Serialize};

/// A loss of each example by itself: the larger, the farther the model is from the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `−log softmax(z)_y`. Its gradient vanishes where the model is confident.
    #[default]
    CrossEntropy,
    /// `max_{j≠y} z_j − z_y`, positive exactly where `y` is not the prediction. The loss of Carlini and Wagner
    /// (arXiv 1608.04644, equation 7, without its cut at −κ).
    Margin,
}

impl Loss {
    /// The loss of each row of `logits`, `[batch, classes]`, against its label, `[batch]`.
    ///
    /// Labels are not checked here: one that names no class counts as a class of logit zero in
    /// [`Margin`](Self::Margin), and gives zero in [`CrossEntropy`](Self::CrossEntropy).
    pub fn per_example(self, logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
        let own = own_class(labels, &logits);
        // A masked sum where one might gather: the gradient of a gather scatters, in no fixed order on some devices.
        let of_own = |values: Tensor<2>| values.mask_fill(own.clone().bool_not(), 0.0).sum_dim(1);
        match self {
            Self::CrossEntropy => -of_own(log_softmax(logits, 1)),
            Self::Margin => {
                let others = logits.clone().mask_fill(own.clone(), f64::NEG_INFINITY);
                others.max_dim(1) - of_own(logits)
            }
        }
        .squeeze_dim(1)
    }
}

/// Where each row's own class is, `[batch, classes]`; nowhere in rows whose label names no class.
pub(crate) fn own_class(labels: &Tensor<1, Int>, logits: &Tensor<2>) -> Tensor<2, Bool> {
    let [batch, classes] = logits.dims();
    let device = logits.device().inner();
    let columns = Tensor::<1, Int>::arange(0..classes as i64, (&device, DType::I32));
    let columns = columns.unsqueeze_dim::<2>(0).expand([batch, classes]);
    align(labels, logits).unsqueeze_dim::<2>(1).expand([batch, classes]).equal(columns)
}

/// Labels on the device of `like`, in the one integer type that every backend has.
pub(crate) fn align(labels: &Tensor<1, Int>, like: &Tensor<2>) -> Tensor<1, Int> {
    labels.clone().inner().to_device(&like.device().inner()).cast(IntDType::I32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tolerance};

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
