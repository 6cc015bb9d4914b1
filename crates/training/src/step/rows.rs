//! Batches and logits by their rows.

use burn::tensor::{Int, Tensor};
use cni_data::Batch;
use cni_noise::ExampleIds;
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

/// The positions of a batch's examples in the data set, as their ids.
pub(crate) fn ids_by_index(batch: &Batch) -> ExampleIds {
    ExampleIds::Each(batch.indices.iter().map(|&index| index as u64).collect())
}

/// The ids of some rows.
pub(super) fn ids_of(examples: &ExampleIds, rows: Range<usize>) -> ExampleIds {
    match examples {
        ExampleIds::From(_) => ExampleIds::From(examples.id(rows.start)),
        ExampleIds::Each(all) => ExampleIds::Each(all[rows].into()),
    }
}

/// 1 where the largest logit is the label's, else 0: `[batch]`.
pub(crate) fn hits(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    logits.argmax(1).squeeze_dim::<1>(1).equal(labels.clone()).float()
}
