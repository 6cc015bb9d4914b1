//! The geometry of a threat: distance, random start, steepest step and projection, each a pure
//! function.

use super::l1;
use crate::rows::at_least_single;
use crate::rows::per_row;
use burn::tensor::{Tensor, TensorData};
use cni_noise::{ExampleIds, Key, normal_rows, uniform_rows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the size of a perturbation is measured, for each image by itself.
///
/// Images are `[batch, channels, height, width]`; results have the element type and device of the
/// images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The largest change of a pixel, `max |δ|`.
    Linf,
    /// The Euclidean length of the change, `√Σδ²`.
    L2,
    /// The sum of the changes of all pixels, `Σ|δ|`.
    L1,
}

impl Norm {
    /// The distance of each image in `a` from its counterpart in `b`, `[batch]`.
    pub fn distance(self, a: &Tensor<4>, b: &Tensor<4>) -> Tensor<1> {
        self.length(a.clone() - b.clone())
    }

    /// The length of each change, `[batch]`, in at least single precision: in half, sums overflow
    /// and squares vanish.
    pub fn length(self, changes: Tensor<4>) -> Tensor<1> {
        let changes = at_least_single(changes.flatten::<2>(1, 3));
        match self {
            Self::Linf => changes.max_abs_dim(1),
            Self::L2 => changes.square().sum_dim(1).sqrt(),
            Self::L1 => changes.abs().sum_dim(1),
        }
        .squeeze_dim(1)
    }

    /// The norm that measures slopes: a linear function changes by at most `ε` times their length
    /// in it.
    pub fn dual(self) -> Self {
        match self {
            Self::Linf => Self::L1,
            Self::L2 => Self::L2,
            Self::L1 => Self::Linf,
        }
    }

    /// Steps of L1 length one that move, in each image, the `shares[row]` coordinates with the
    /// largest slopes, and those equal to the last of them, by equal amounts. Coordinates without
    /// slope do not move.
    ///
    /// # Panics
    ///
    /// If the number of shares differs from the number of images.
    pub fn sparse_step(gradient: Tensor<4>, shares: &[usize]) -> Tensor<4> {
        l1::sparse_step(gradient, shares)
    }

    /// Perturbations uniform in the ball of radius `epsilon`, shaped as `like`.
    ///
    /// L2 draws a direction uniform on the sphere, and the radius `ε u^(1/d)` for images of `d`
    /// values; L1 shares `ε` among the values, and what is left over, in proportion to exponential
    /// draws. A perturbation is a function of `key` and of its example's number: the same however
    /// the examples are cut into batches.
    pub fn random_start(
        self,
        key: Key,
        like: &Tensor<4>,
        epsilon: f64,
        examples: &ExampleIds,
    ) -> Tensor<4> {
        let [batch, channels, height, width] = like.dims();
        let values = channels * height * width;
        let options = (&like.device().inner(), like.dtype());
        match self {
            Self::Linf => {
                let uniform = uniform_rows(key, examples, batch, values);
                let symmetric: Vec<f32> = uniform.into_iter().map(|u| 2.0 * u - 1.0).collect();
                Tensor::from_data(TensorData::new(symmetric, like.shape()), options)
                    .mul_scalar(epsilon)
            }
            Self::L2 => {
                let direction = normal_rows(key, examples, like);
                let radii: Vec<f64> = uniform_rows(key.named("radius"), examples, batch, 1)
                    .into_iter()
                    .map(|u| f64::from(u).powf(1.0 / values as f64))
                    .collect();
                self.steepest_step(direction, epsilon) * per_row(&radii, like)
            }
            Self::L1 => {
                // In (−1, 1), of which the absolute value is uniform and the sign a coin.
                let symmetric = |u: f32| 2.0 * f64::from(u) - 1.0 + f64::EPSILON;
                let exponential = |v: f64| -(1.0 - v.abs()).ln();
                let uniform = uniform_rows(key, examples, batch, values);
                let rest = uniform_rows(key.named("rest"), examples, batch, 1);
                let mut change: Vec<f64> = Vec::with_capacity(batch * values);
                for (row, rest) in uniform.chunks(values).zip(rest) {
                    let draws = row.iter().map(|&u| symmetric(u));
                    let sum: f64 = draws.clone().map(exponential).sum();
                    let scale = epsilon / (sum + exponential(f64::from(rest)));
                    change.extend(draws.map(|v| scale * exponential(v).copysign(v)));
                }
                Tensor::from_data(TensorData::new(change, like.shape()), options)
            }
        }
    }

    /// A random perturbation of exactly the length `epsilon`, shaped as `like`, keyed as
    /// [`random_start`](Self::random_start).
    ///
    /// Linf: uniform values scaled until the largest is ε. L2: a direction uniform on the sphere.
    /// L1: normal values scaled.
    pub fn random_surface(
        self,
        key: Key,
        like: &Tensor<4>,
        epsilon: f64,
        examples: &ExampleIds,
    ) -> Tensor<4> {
        let draws = match self {
            Self::Linf => Self::Linf.random_start(key, like, 1.0, examples),
            Self::L2 | Self::L1 => normal_rows(key, examples, like),
        };
        self.unit(draws).mul_scalar(epsilon)
    }

    /// Each image scaled to length one in this norm; zero stays zero.
    pub fn unit(self, images: Tensor<4>) -> Tensor<4> {
        // Scaled to a largest entry of one first: the squares of a gradient near 1e-25 vanish in
        // single precision, and with them the length. That is then at least one, or zero with the
        // image.
        let [batch, ..] = images.dims();
        let peak = images.clone().flatten::<2>(1, 3).max_abs_dim(1).reshape([batch, 1, 1, 1]);
        let zero = peak.clone().equal_elem(0.0);
        let dtype = images.dtype();
        let scaled = at_least_single(images) / at_least_single(peak.mask_fill(zero, 1.0));
        match self {
            Self::Linf => scaled,
            Self::L2 => scaled.clone() / length(scaled).clamp_min(1.0),
            Self::L1 => scaled.clone() / scaled.abs().sum_dims(&[1, 2, 3]).clamp_min(1.0),
        }
        .cast(dtype)
    }

    /// The step of length `size` along which a linear function with this gradient rises most.
    ///
    /// Linf: `size · sign(g)`. L2: `size · g / ‖g‖₂`, for each image. L1: `size` in the direction
    /// of the largest slope, shared among equal ones. A zero gradient gives a zero step.
    pub fn steepest_step(self, gradient: Tensor<4>, size: f64) -> Tensor<4> {
        self.direction(gradient).mul_scalar(size)
    }

    /// The [steepest step](Self::steepest_step) of length one.
    pub(crate) fn direction(self, gradient: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Linf => gradient.sign(),
            Self::L2 => self.unit(gradient),
            Self::L1 => {
                let shares = vec![1; gradient.dims()[0]];
                Self::sparse_step(gradient, &shares)
            }
        }
    }

    /// A point of both the ball of radius `epsilon` around `origin` and the box of pixels in [0,
    /// 1], `origin` being in both.
    ///
    /// Linf and L1: the nearest such point. L2: the nearest of the ball, clipped to the box, as the
    /// attacks' authors have it; clipping only shortens the perturbation.
    pub fn project(self, perturbed: Tensor<4>, origin: &Tensor<4>, epsilon: f64) -> Tensor<4> {
        let in_ball = match self {
            Self::Linf => perturbed
                .max_pair(origin.clone().sub_scalar(epsilon))
                .min_pair(origin.clone().add_scalar(epsilon)),
            Self::L2 => {
                let dtype = perturbed.dtype();
                let [perturbed, origin] = [perturbed, origin.clone()].map(at_least_single);
                let change = perturbed.clone() - origin.clone();
                let length = length(change.clone());
                let outside = length.clone().greater_elem(epsilon).expand(change.shape());
                // If the length is zero the quotient is NaN, but then the point is inside and keeps
                // its value.
                let shortened = origin + change * length.recip().mul_scalar(epsilon);
                perturbed.mask_where(outside, shortened).cast(dtype)
            }
            Self::L1 => return l1::project(&perturbed, origin, epsilon),
        };
        in_ball.clamp(0.0, 1.0)
    }
}

/// The Euclidean length of each image, `[batch, 1, 1, 1]`.
fn length(images: Tensor<4>) -> Tensor<4> {
    images.square().sum_dims(&[1, 2, 3]).sqrt()
}
