//! Batches and logits by their rows.

use burn::tensor::{Int, Tensor};
use cni_data::Batch;
use std::ops::Range;

/// Some examples of a batch, with the key and the size of the whole.
pub(crate) fn part(batch: &Batch, examples: Range<usize>) -> Batch {
    let (first, n) = (examples.start, examples.len());
    Batch {
        images: batch.images.clone().narrow(0, first, n),
        indices: batch.indices[examples.clone()].into(),
        labels: batch.labels.clone().narrow(0, first, n),
        first_example: batch.first_example + first as u64,
        ..batch.clone()
    }
}

/// 1 where the largest logit is the label's, else 0: `[batch]`.
pub(crate) fn hits(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    logits.argmax(1).squeeze_dim::<1>(1).equal(labels.clone()).float()
}
