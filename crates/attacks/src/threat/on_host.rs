//! Work on each image by itself that tensors cannot do: on the host, images in parallel, in double
//! precision.

use crate::rows::read;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

/// The pixels of all images, one image after the other.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    values: Vec<f64>,
    /// `[batch, channels, height, width]`
    shape: [usize; 4],
}

impl Images {
    pub fn read(images: &Tensor<4>) -> Self {
        Self { values: read(images), shape: images.dims() }
    }

    /// Some of the images, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let [_, channels, height, width] = self.shape;
        let mut some = Self {
            values: vec![0.0; rows.len() * self.each()],
            shape: [rows.len(), channels, height, width],
        };
        some.for_each(|at, image| image.copy_from_slice(self.row(rows[at])));
        some
    }

    /// The number of values of an image; one if it has none, since no chunk may be empty.
    fn each(&self) -> usize {
        self.shape[1..].iter().product::<usize>().max(1)
    }

    /// Replaces each image by `f` of its number, done in place.
    pub fn for_each(&mut self, f: impl Fn(usize, &mut [f64]) + Sync) {
        let each = self.each();
        self.values.par_chunks_mut(each).enumerate().for_each(|(row, image)| f(row, image));
    }

    /// An image.
    pub fn row(&self, row: usize) -> &[f64] {
        let each = self.each();
        &self.values[row * each..][..each]
    }

    /// An image, to be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        let each = self.each();
        &mut self.values[row * each..][..each]
    }

    /// The images in the element type of `like`, on its device.
    pub fn write(&self, like: &Tensor<4>) -> Tensor<4> {
        let data = match like.dtype() {
            // The tensor's own conversion is slow, as in reading.
            DType::F32 => {
                let single: Vec<f32> = self.values.par_iter().map(|&value| value as f32).collect();
                TensorData::new(single, self.shape)
            }
            _ => TensorData::new(self.values.clone(), self.shape),
        };
        Tensor::from_data(data, (&like.device().inner(), like.dtype()))
    }
}
