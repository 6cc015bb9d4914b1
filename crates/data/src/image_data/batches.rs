use super::{HostBatch, ImageData};
use crate::DataError;
use crate::prefetch::Prefetch;
use burn::tensor::{Device, Int, Tensor};

/// The batches of a set in order, from [`ImageData::batches`].
///
/// Reading begins with the first call of `next`.
pub struct Batches {
    data: ImageData,
    size: usize,
    device: Device,
    state: State,
}

enum State {
    Waiting,
    Reading(Prefetch<Result<HostBatch, DataError>>),
    Ended,
}

impl Batches {
    pub(super) fn new(data: ImageData, size: usize, device: Device) -> Self {
        Self { data, size, device, state: State::Waiting }
    }

    fn host(&mut self) -> Result<Option<HostBatch>, DataError> {
        if let State::Waiting = self.state {
            if self.size == 0 {
                return Err(DataError::BatchSize);
            }
            self.state = State::Reading(self.data.read_ahead(self.size)?);
        }
        match &mut self.state {
            State::Reading(batches) => batches.next().transpose(),
            _ => Ok(None),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<(Tensor<4>, Tensor<1, Int>), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.host().transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.state = State::Ended;
        }
        batch.map(|batch| Ok(batch?.upload(self.data.image_shape(), &self.device)))
    }
}
