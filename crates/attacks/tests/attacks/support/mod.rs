//! Small models and batches with known answers.

pub mod registry;

use burn::tensor::{Bool, DType, Device, Int, Tensor};
use cni_attacks::Norm;
use cni_noise::{Key, layer_key, normal, normal_like, uniform};

pub const NORMS: [Norm; 2] = [Norm::Linf, Norm::L2];
/// Values in an image of the toy batches, `[3, 2, 2]`.
pub const VALUES: usize = 12;

/// A linear model without bias on pixels centred at the middle of the box.
#[derive(Clone)]
pub struct Toy {
    /// `[classes, VALUES]`
    pub weight: Tensor<2>,
    /// The standard deviation of the noise on every weight, drawn once for the batch.
    pub noise: f64,
}

impl Toy {
    pub fn new(classes: usize, dtype: DType) -> Self {
        let weight = normal::<2>(Key::new(11), [classes, VALUES], &Device::flex());
        Self { weight: weight.cast(dtype), noise: 0.0 }
    }

    /// The model in the element type of `like`.
    pub fn cast_to(self, like: &Tensor<4>) -> Self {
        Self { weight: self.weight.cast(like.dtype()), ..self }
    }

    pub fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let mut weight = self.weight.clone();
        if self.noise > 0.0
            && let Some(key) = layer_key("weight", &images.device())
        {
            weight = weight.clone() + normal_like(key, &weight, 0) * self.noise;
        }
        images.sub_scalar(0.5).flatten::<2>(1, 3).matmul(weight.transpose())
    }

    pub fn classifier(&self) -> impl Fn(Tensor<4>) -> Tensor<2> + '_ {
        |images| self.logits(images)
    }

    pub fn predictions(&self, images: &Tensor<4>) -> Tensor<1, Int> {
        self.logits(images.clone()).argmax(1).squeeze_dim(1)
    }
}

/// Uniform pixels, except for two images at the corners of the box and one with all pixels at its
/// faces.
pub fn images(batch: usize, dtype: DType) -> Tensor<4> {
    let pixels = uniform::<4>(Key::new(12), [batch, 3, 2, 2], &Device::flex());
    let faces = pixels.clone().slice(2..3).greater_elem(0.5).float();
    let zeros = pixels.clone().slice(0..1).zeros_like();
    let ones = zeros.clone().add_scalar(1.0);
    Tensor::cat(vec![zeros, ones, faces, pixels.slice(3..batch)], 0).cast(dtype)
}

pub fn fraction(hits: Tensor<1, Bool>) -> f64 {
    hits.float().mean().into_scalar::<f64>()
}

pub fn largest<const D: usize>(values: Tensor<D>) -> f64 {
    values.max().into_scalar::<f64>()
}

/// The largest difference of two tensors.
pub fn gap<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f64 {
    largest((a.clone() - b.clone()).abs())
}
