//! Linear maps of images that act on rows and columns apart.

use crate::rows::at_least_single;
use burn::tensor::{Tensor, TensorData};

/// A linear map of images, `x ↦ D x Aᵀ` for each channel, with matrices of each image's own or the
/// same for all.
pub(crate) struct Separable {
    /// The weights of the image's rows in each row of the result, `[images, 1, height, height]`.
    down: Tensor<4>,
    /// The same of the columns, `[images, 1, width, width]`.
    across: Tensor<4>,
}

impl Separable {
    /// The map with these matrices, one after the other in row-major order: for as many of the
    /// images `like` as there are, or one for all.
    pub fn new([down, across]: [Vec<f64>; 2], like: &Tensor<4>) -> Self {
        let [_, _, height, width] = like.dims();
        let single = at_least_single(like.clone().slice(0..1));
        let options = (&like.device().inner(), single.dtype());
        let matrices = |values: Vec<f64>, side: usize| {
            let images = values.len() / (side * side);
            Tensor::from_data(TensorData::new(values, [images, 1, side, side]), options)
        };
        Self { down: matrices(down, height), across: matrices(across, width) }
    }

    /// The images of the images, `[batch, channels, height, width]`.
    pub fn of(&self, images: Tensor<4>) -> Tensor<4> {
        let across = self.across.clone().swap_dims(2, 3);
        Self::between(self.down.clone(), images, across)
    }

    /// The gradient with respect to the images, from that with respect to what they are mapped to.
    pub fn pull_back(&self, gradient: Tensor<4>) -> Tensor<4> {
        let down = self.down.clone().swap_dims(2, 3);
        Self::between(down, gradient, self.across.clone())
    }

    /// Half precision is computed in single, so that no small slope is lost.
    fn between(left: Tensor<4>, images: Tensor<4>, right: Tensor<4>) -> Tensor<4> {
        let dtype = images.dtype();
        left.matmul(at_least_single(images)).matmul(right).cast(dtype)
    }
}
