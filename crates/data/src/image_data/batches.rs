use super::{HostBatch, ImageData};
use crate::DataError;
use crate::prefetch::ReadAhead;
use burn::tensor::{Device, Int, Tensor};

/// The batches of a set in order, from [`ImageData::batches`].
///
/// Reading begins with the first call of `next`.
pub struct Batches {
    shape: [usize; 3],
    device: Device,
    batches: ReadAhead<HostBatch>,
}

impl Batches {
    pub(super) fn new(data: &ImageData, size: usize, device: &Device) -> Self {
        let (shape, device) = (data.image_shape(), device.clone());
        Self { shape, device, batches: data.read_ahead(size) }
    }
}

impl Iterator for Batches {
    type Item = Result<(Tensor<4>, Tensor<1, Int>), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(batch.map(|batch| batch.upload(self.shape, &self.device)))
    }
}
