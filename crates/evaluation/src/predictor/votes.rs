//! Votes: how often each class was that of the largest logit.

use burn::tensor::{Int, Tensor};
use cni_attacks::AttackError;
use cni_attacks::rows::not_finite;
use cni_attacks::rows::own_class;
use cni_noise::ExampleIds;

/// One vote of each row for the class of its largest logit, `[batch, classes]`.
pub(crate) fn votes(logits: &Tensor<2>) -> Tensor<2, Int> {
    let logits = logits.clone().inner();
    own_class(&logits.clone().argmax(1).squeeze_dim(1), &logits).int()
}

/// Zero where all is finite, else NaN: added to what is made of the logits, it keeps such values
/// from being hidden.
pub(crate) fn zero_if_finite(logits: &Tensor<2>) -> Tensor<2> {
    logits.clone().inner().mul_scalar(0.0)
}

/// The votes on the host, one list of counts for each row.
pub(crate) fn counts(votes: &Tensor<2, Int>) -> Vec<Vec<u32>> {
    let values: Vec<u32> = votes.try_to_vec_as().expect("the device can be read");
    values.chunks(votes.dims()[1]).map(<[u32]>::to_vec).collect()
}

/// The place of the largest value, of equal ones the first: how every tie is broken.
pub(crate) fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// That there is a row of logits for each image, of two classes at least.
pub(crate) fn check_shape(logits: &Tensor<2>, batch: usize) -> Result<(), AttackError> {
    match logits.dims() {
        [rows, classes] if rows == batch && classes >= 2 => Ok(()),
        got => Err(AttackError::LogitsShape { got, batch }),
    }
}

/// That the logits of every example are finite.
pub(crate) fn check_finite(logits: &Tensor<2>, examples: &ExampleIds) -> Result<(), AttackError> {
    match not_finite(logits) {
        None => Ok(()),
        Some((row, got)) => {
            Err(AttackError::NonFinite { field: "logits", got, example: examples.id(row) })
        }
    }
}
