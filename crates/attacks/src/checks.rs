//! What images, labels, logits and gradients must be like, whichever attack they are of.

use crate::loss::own_class;
use crate::problem::read;
use crate::{AttackError, Objective};
use burn::tensor::{Int, Tensor};
use cni_noise::Examples;

/// That there is a pixel.
pub(crate) fn check_not_empty(images: &Tensor<4>) -> Result<(), AttackError> {
    match images.shape().num_elements() {
        0 => Err(AttackError::EmptyBatch { got: images.dims() }),
        _ => Ok(()),
    }
}

/// The number of images, for each of which there is a label.
pub(crate) fn check_batch(
    images: &Tensor<4>,
    labels: &Tensor<1, Int>,
) -> Result<usize, AttackError> {
    check_not_empty(images)?;
    let ([got], [wanted, ..]) = (labels.dims(), images.dims());
    if got != wanted {
        return Err(AttackError::LabelCount { got, wanted });
    }
    Ok(wanted)
}

/// That there is a row of logits for each image, of as many classes as the loss compares.
pub(crate) fn check_shape(
    logits: &Tensor<2>,
    batch: usize,
    objective: &Objective,
) -> Result<(), AttackError> {
    let [rows, classes] = logits.dims();
    if rows != batch || classes < 2 {
        return Err(AttackError::LogitsShape { got: [rows, classes], batch });
    }
    objective.check(classes)
}

/// That every label names a class, and that logits and gradient are finite; the rows whose gradient is zero throughout.
///
/// The mean logits are checked, which are finite just where those of every draw are. All is read from the device at
/// once.
pub(crate) fn check_values(
    labels: &Tensor<1, Int>,
    logits: &Tensor<2>,
    gradient: Option<&Tensor<4>>,
    examples: &Examples,
) -> Result<Vec<usize>, AttackError> {
    let [batch, classes] = logits.dims();
    let dtype = gradient.map_or(logits.dtype(), Tensor::dtype);
    let named = own_class(labels, logits).int().sum_dim(1).squeeze_dim(1).float().cast(dtype);
    // Zero times anything finite is zero, and the sum of zeros does not overflow.
    let mut sums = vec![named, row_sums(logits.clone().mul_scalar(0.0)).cast(dtype)];
    sums.extend(gradient.map(|gradient| row_sums(gradient.clone().abs())));
    let sums = read(&Tensor::cat(sums, 0));
    let [named, logits, gradient] =
        [0, 1, 2].map(|part| sums.get(part * batch..(part + 1) * batch));
    if named.is_some_and(|named| named.contains(&0.0)) {
        let labels: Vec<i64> = labels.try_to_vec_as().expect("the device can be read");
        let named = 0..classes as i64;
        let got = labels.into_iter().find(|label| !named.contains(label)).unwrap_or(-1);
        return Err(AttackError::Label { got, classes });
    }
    for (field, sums) in [("logits", logits), ("gradient", gradient)] {
        if let Some((row, got)) = sums.and_then(count_not_finite) {
            return Err(AttackError::NonFinite { field, got, example: examples.number(row) });
        }
    }
    let sizes = gradient.unwrap_or_default().iter().enumerate();
    Ok(sizes.filter(|(_, size)| **size == 0.0).map(|(row, _)| row).collect())
}

/// The first row that holds a value which is NaN or infinite, and how many such rows there are.
pub(crate) fn not_finite<const D: usize>(values: &Tensor<D>) -> Option<(usize, usize)> {
    count_not_finite(&read(&row_sums(values.clone().mul_scalar(0.0))))
}

fn count_not_finite(sums: &[f64]) -> Option<(usize, usize)> {
    let first = sums.iter().position(|sum| !sum.is_finite())?;
    Some((first, sums.iter().filter(|sum| !sum.is_finite()).count()))
}

fn row_sums<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    let rows = values.dims()[0] as i32;
    values.reshape([rows, -1]).sum_dim(1).squeeze_dim(1)
}
