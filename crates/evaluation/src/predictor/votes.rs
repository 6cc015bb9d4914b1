//! Votes: how often each class has the largest logit.

use burn::tensor::{Int, Tensor};
use cni_attacks::AttackError;
use cni_attacks::rows::not_finite;
use cni_attacks::rows::own_class;
use cni_noise::ExampleIds;

/// The votes of one draw, `[batch, classes]`: 1 for the class of the largest logit of each row,
/// else 0.
pub(crate) fn votes(logits: &Tensor<2>) -> Tensor<2, Int> {
    let logits = logits.clone().inner();
    own_class(&logits.clone().argmax(1).squeeze_dim(1), &logits).int()
}

/// Zero if all logits are finite, else NaN. Added to a result of the logits, it keeps values that
/// are not finite from being hidden.
pub(crate) fn zero_if_finite(logits: &Tensor<2>) -> Tensor<2> {
    logits.clone().inner().mul_scalar(0.0)
}

/// The votes on the host: a list of counts for each row.
pub(crate) fn counts(votes: &Tensor<2, Int>) -> Vec<Vec<u32>> {
    let values: Vec<u32> = votes.try_to_vec_as().expect("the device can be read");
    values.chunks(votes.dims()[1]).map(<[u32]>::to_vec).collect()
}

/// The place of the largest value, the first of equals. Every tie is broken in this way.
pub(crate) fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// Checks that there is a row of logits for each image, with at least two classes.
pub(crate) fn check_shape(logits: &Tensor<2>, batch: usize) -> Result<(), AttackError> {
    match logits.dims() {
        [rows, classes] if rows == batch && classes >= 2 => Ok(()),
        got => Err(AttackError::LogitsShape { got, batch }),
    }
}

/// Checks that the logits of every example are finite.
pub(crate) fn check_finite(logits: &Tensor<2>, examples: &ExampleIds) -> Result<(), AttackError> {
    match not_finite(logits) {
        None => Ok(()),
        Some((row, got)) => {
            Err(AttackError::NonFinite { field: "logits", got, example: examples.id(row) })
        }
    }
}
