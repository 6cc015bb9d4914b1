use super::ImageData;
use crate::DataError;
use crate::augment::{Augmentation, augment};
use crate::prefetch::{ReadAhead, on_readers};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_noise::Key;
use rayon::prelude::*;

/// Images and labels before they are on a device.
pub(crate) struct HostBatch {
    /// Row-major `[batch, channels, height, width]`.
    pub pixels: Vec<f32>,
    pub labels: Vec<i32>,
}

impl HostBatch {
    pub fn upload(
        self,
        [channels, height, width]: [usize; 3],
        device: &Device,
    ) -> (Tensor<4>, Tensor<1, Int>) {
        let batch = self.labels.len();
        let images = TensorData::new(self.pixels, [batch, channels, height, width]);
        let labels = TensorData::new(self.labels, [batch]);
        (Tensor::from_data(images, device), Tensor::from_data(labels, device))
    }
}

impl ImageData {
    /// The examples at `rows`, changed by the augmentations under the key of the epoch. The first
    /// row that fails, in their order, is the error.
    pub(crate) fn read_batch(
        &self,
        rows: &[usize],
        augmented: Option<(&[Augmentation], Key)>,
    ) -> Result<HostBatch, DataError> {
        let size = self.pixels_per_image();
        let shape = self.image_shape();
        let mut pixels = vec![0.0; rows.len() * size];
        let read = |(image, &row): (&mut [f32], &usize)| {
            let label = self.read(row, image)?;
            if let Some((augmentations, key)) = augmented {
                augment(augmentations, key, row, shape, image)?;
            }
            Ok(label as i32)
        };
        // Images of a few bytes are not worth a thread each.
        let least = (1 << 12) / size + 1;
        let labels: Vec<Result<i32, DataError>> = on_readers(|| {
            let images = pixels.par_chunks_exact_mut(size).zip(rows).with_min_len(least);
            images.map(read).collect()
        });
        let labels = labels.into_iter().collect::<Result<_, _>>()?;
        Ok(HostBatch { pixels, labels })
    }

    /// Batches of at most `size` examples in order, read ahead of their use.
    pub(super) fn read_ahead(&self, size: usize) -> ReadAhead<HostBatch> {
        let data = self.clone();
        ReadAhead::new(move || {
            if size == 0 {
                return Err(DataError::BatchSize);
            }
            Ok((0..data.len()).step_by(size).map(move |first| {
                let end = data.len().min(first.saturating_add(size));
                data.read_batch(&(first..end).collect::<Vec<_>>(), None)
            }))
        })
    }
}
