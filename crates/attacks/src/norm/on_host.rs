//! Work on each image by itself that tensors cannot do: on the host, images in parallel, in double precision.

use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

/// The pixels of all images, one image after the other, and how many each has.
pub(crate) struct Images {
    pub values: Vec<f64>,
    pub each: usize,
}

impl Images {
    pub fn read(images: &Tensor<4>) -> Self {
        let [_, channels, height, width] = images.dims();
        // Conversion by the tensor goes value by value through a case for each type.
        let values = match images.dtype() {
            DType::F32 => {
                images.try_to_vec_as::<f32>().map(|all| all.into_iter().map(f64::from).collect())
            }
            _ => images.try_to_vec_as(),
        }
        .expect("the device can be read");
        Self { values, each: (channels * height * width).max(1) }
    }

    /// Replaces each image by `f` of its number, done in place.
    pub fn for_each(&mut self, f: impl Fn(usize, &mut [f64]) + Sync) {
        self.values.par_chunks_mut(self.each).enumerate().for_each(|(row, image)| f(row, image));
    }

    /// An image.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.each..(row + 1) * self.each]
    }

    /// Back to where `like` is, in its shape.
    pub fn write(self, like: &Tensor<4>) -> Tensor<4> {
        let options = (&like.device().inner(), like.dtype());
        Tensor::from_data(TensorData::new(self.values, like.shape()), options)
    }
}
