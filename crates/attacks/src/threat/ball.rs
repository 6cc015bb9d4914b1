//! The ball of a threat around the images of a batch.

use super::l1;
use super::norm::Norm;
use super::on_host::Images;
use crate::Rows;
use crate::rows::per_row;
use burn::tensor::Tensor;
use cni_ops::{StepSize, clamp_between, sign_step, sign_step_with_momentum};

/// The ball of a threat around a batch, prepared for many steps and projections: in Linf on the CPU
/// each is one pass over the values.
///
/// Images are `[batch, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Ball {
    norm: Norm,
    epsilon: f64,
    origin: Tensor<4>,
    /// The lower and the upper corner, in Linf, of the intersection of ball and box, which is a
    /// box.
    bounds: Option<[Tensor<4>; 2]>,
    /// The origin on the host, in L1: the projection runs there.
    on_host: Option<Images>,
}

impl Ball {
    /// The ball of radius `epsilon` around each image of `origin`, within the box [0, 1].
    pub fn new(norm: Norm, epsilon: f64, origin: &Tensor<4>) -> Self {
        let bounds = (norm == Norm::Linf).then(|| {
            let moved = |by: f64| origin.clone().add_scalar(by).clamp(0.0, 1.0);
            [moved(-epsilon), moved(epsilon)]
        });
        let on_host = (norm == Norm::L1).then(|| Images::read(origin));
        Self { norm, epsilon, origin: origin.clone(), bounds, on_host }
    }

    /// As [`Norm::project`].
    pub fn project(&self, perturbed: Tensor<4>) -> Tensor<4> {
        match (&self.bounds, &self.on_host) {
            (Some(bounds), _) => clamp_between(perturbed, bounds.clone()),
            (_, Some(origins)) => l1::project_onto(&perturbed, origins, self.epsilon),
            _ => self.norm.project(perturbed, &self.origin, self.epsilon),
        }
    }

    /// `project(x + step)` with the [steepest step](Norm::steepest_step) of length `size`.
    pub fn step(&self, x: Tensor<4>, gradient: Tensor<4>, size: f64) -> Tensor<4> {
        match &self.bounds {
            Some(bounds) => sign_step(x, gradient, StepSize::All(size), bounds.clone()),
            None => self.project(x + self.norm.steepest_step(gradient, size)),
        }
    }

    /// As [`step`](Self::step), with a step size for each image. With momentum, of the previous
    /// point and the share of the new step, the result is `x + share (z − x) + (1 − share) (x −
    /// previous)`, projected, for `z` the point without momentum.
    pub(crate) fn steps(
        &self,
        x: Tensor<4>,
        gradient: Tensor<4>,
        sizes: &[f64],
        momentum: Option<(Tensor<4>, f64)>,
    ) -> Tensor<4> {
        if let Some(bounds) = &self.bounds {
            let (sizes, bounds) = (StepSize::Each(sizes), bounds.clone());
            return match momentum {
                None => sign_step(x, gradient, sizes, bounds),
                Some((previous, share)) => {
                    sign_step_with_momentum(x, previous, share, gradient, sizes, bounds)
                }
            };
        }
        let step = self.norm.direction(gradient) * per_row(sizes, &x);
        let ahead = self.project(x.clone() + step);
        match momentum {
            None => ahead,
            Some((previous, share)) => self.project(
                x.mul_scalar(2.0 * (1.0 - share)) + ahead.mul_scalar(share)
                    - previous.mul_scalar(1.0 - share),
            ),
        }
    }

    /// The ball around some of the images.
    pub(crate) fn select(&self, rows: &Rows) -> Self {
        Self {
            origin: rows.of(&self.origin),
            bounds: self.bounds.as_ref().map(|bounds| [0, 1].map(|side| rows.of(&bounds[side]))),
            on_host: self.on_host.as_ref().map(|origins| origins.select(rows.as_slice())),
            ..*self
        }
    }
}
