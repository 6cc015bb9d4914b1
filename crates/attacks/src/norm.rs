//! The geometry of a threat: distance, random start, steepest step and projection, each a pure function.

use burn::tensor::{Tensor, TensorData};
use cni_noise::{Key, host_uniform, normal_like};
use serde::{Deserialize, Serialize};

/// How the size of a perturbation is measured, for each image by itself.
///
/// Images are `[batch, channels, height, width]`; results have the element type and device of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The largest change of a pixel, `max |δ|`.
    Linf,
    /// The Euclidean length of the change, `√Σδ²`.
    L2,
}

impl Norm {
    /// The distance of each image in `a` from its counterpart in `b`, `[batch]`.
    pub fn distance(self, a: &Tensor<4>, b: &Tensor<4>) -> Tensor<1> {
        let difference = (a.clone() - b.clone()).flatten::<2>(1, 3);
        match self {
            Self::Linf => difference.max_abs_dim(1),
            Self::L2 => difference.square().sum_dim(1).sqrt(),
        }
        .squeeze_dim(1)
    }

    /// Perturbations uniform in the ball of radius `epsilon`, shaped as `like`.
    ///
    /// L2 draws a direction uniform on the sphere, and the radius `ε u^(1/d)` for images of `d` values. A perturbation is
    /// a function of `key` and of its example's number, that is `first_example` plus its row: the same however the
    /// examples are cut into batches.
    pub fn random_start(
        self,
        key: Key,
        like: &Tensor<4>,
        epsilon: f64,
        first_example: u64,
    ) -> Tensor<4> {
        let [batch, channels, height, width] = like.dims();
        let values = (channels * height * width) as u64;
        let examples = first_example..first_example + batch as u64;
        let options = (&like.device().inner(), like.dtype());
        match self {
            Self::Linf => {
                let uniform = host_uniform(key, examples.start * values..examples.end * values);
                let symmetric: Vec<f32> = uniform.into_iter().map(|u| 2.0 * u - 1.0).collect();
                Tensor::from_data(TensorData::new(symmetric, like.shape()), options)
                    .mul_scalar(epsilon)
            }
            Self::L2 => {
                let direction = normal_like(key, like, examples.start * values);
                let radii: Vec<f64> = host_uniform(key.named("radius"), examples)
                    .into_iter()
                    .map(|u| f64::from(u).powf(1.0 / values as f64))
                    .collect();
                let radii = Tensor::from_data(TensorData::new(radii, [batch, 1, 1, 1]), options);
                self.steepest_step(direction, epsilon) * radii
            }
        }
    }

    /// The step of length `size` along which a linear function with this gradient rises most.
    ///
    /// Linf: `size · sign(g)`. L2: `size · g / ‖g‖₂`, for each image. A zero gradient gives a zero step.
    pub fn steepest_step(self, gradient: Tensor<4>, size: f64) -> Tensor<4> {
        match self {
            Self::Linf => gradient.sign().mul_scalar(size),
            Self::L2 => {
                // Scaled to a largest entry of one first: the squares of a gradient near 1e-25 vanish in single
                // precision, and with them the step. The length is then at least one, or zero with the gradient.
                let peak = gradient.clone().max_abs_dims(&[1, 2, 3]);
                let zero = peak.clone().equal_elem(0.0);
                let scaled = gradient / peak.mask_fill(zero, 1.0);
                let length = length(scaled.clone()).clamp_min(1.0);
                scaled / length * size
            }
        }
    }

    /// The nearest point of the ball of radius `epsilon` around `origin`, clipped to pixels in [0, 1].
    ///
    /// `origin` is in the box, so that clipping only shortens the perturbation: the result is in ball and box.
    pub fn project(self, perturbed: Tensor<4>, origin: &Tensor<4>, epsilon: f64) -> Tensor<4> {
        let in_ball = match self {
            Self::Linf => perturbed
                .max_pair(origin.clone().sub_scalar(epsilon))
                .min_pair(origin.clone().add_scalar(epsilon)),
            Self::L2 => {
                let change = perturbed.clone() - origin.clone();
                let length = length(change.clone());
                let outside = length.clone().greater_elem(epsilon).expand(change.shape());
                // Where the length is zero the quotient is no number, but there the point is inside.
                let shortened = origin.clone() + change * length.recip().mul_scalar(epsilon);
                perturbed.mask_where(outside, shortened)
            }
        };
        in_ball.clamp(0.0, 1.0)
    }
}

/// The Euclidean length of each image, `[batch, 1, 1, 1]`.
fn length(images: Tensor<4>) -> Tensor<4> {
    images.square().sum_dims(&[1, 2, 3]).sqrt()
}
