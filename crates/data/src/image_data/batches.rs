use super::{HostBatch, ImageData};
use crate::DataError;
use crate::prefetch::ReadAhead;
use burn::tensor::{Device, Int, Tensor};

/// The batches of a set in order, from [`ImageData::batches`].
///
/// Reading begins with the first call of `next`. An error is the last that comes, however many
/// batches there were to be.
pub struct Batches {
    shape: [usize; 3],
    device: Device,
    batches: ReadAhead<HostBatch>,
    /// The number of batches to come.
    left: usize,
}

impl Batches {
    pub(super) fn new(data: &ImageData, size: usize, device: &Device) -> Self {
        let (shape, device) = (data.image_shape(), device.clone());
        // Batches of no size are one error.
        let left = if size == 0 { 1 } else { data.len().div_ceil(size) };
        Self { shape, device, batches: data.read_ahead(size), left }
    }
}

impl Iterator for Batches {
    type Item = Result<(Tensor<4>, Tensor<1, Int>), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        self.left = if batch.is_ok() { self.left.saturating_sub(1) } else { 0 };
        Some(batch.map(|batch| batch.upload(self.shape, &self.device)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Batches {}
