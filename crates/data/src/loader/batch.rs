use burn::tensor::{Int, Tensor};
use cni_noise::Key;
use std::sync::Arc;

/// Labelled images, and the key of everything random that is done with them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Images `[batch, channels, height, width]` in [0, 1].
    pub images: Tensor<4>,
    /// Labels `[batch]`, positions in the list of classes.
    pub labels: Tensor<1, Int>,
    /// The key of this batch in this epoch.
    pub key: Key,
    /// The epoch, from 0. Always 0 if batches do not differ between epochs.
    pub epoch: usize,
    /// The number of batches of the epoch before this one.
    pub number: usize,
    /// The number of batches of the epoch.
    pub batches: usize,
    /// The positions of the examples in the data set, one for each.
    pub indices: Arc<[usize]>,
    /// The position of the first example in the order of the epoch.
    pub first_example: u64,
    /// Examples of the whole batch, of which this may be one device's share.
    pub whole: usize,
}

impl Batch {
    /// The share of the whole batch that this is, in (0, 1]; 0 of an empty one.
    pub fn share(&self) -> f64 {
        self.images.dims()[0] as f64 / self.whole.max(1) as f64
    }

    /// The epochs before this batch, with the part of its own that is over: 2.5 in the middle of
    /// the third.
    pub fn progress(&self) -> f64 {
        self.epoch as f64 + self.number as f64 / self.batches as f64
    }
}
