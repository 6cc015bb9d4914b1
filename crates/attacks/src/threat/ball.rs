//! The ball of a threat around the images of a batch.

use super::l1;
use super::norm::Norm;
use super::on_host::Images;
use crate::Rows;
use burn::tensor::Tensor;

/// The ball of a threat around a batch, prepared for many projections.
#[derive(Clone, Debug)]
pub(crate) struct Ball {
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
            (Some([low, high]), _) => perturbed.max_pair(low.clone()).min_pair(high.clone()),
            (_, Some(origins)) => l1::project_onto(&perturbed, origins, self.epsilon),
            _ => self.norm.project(perturbed, &self.origin, self.epsilon),
        }
    }

    /// The ball around some of the images.
    pub fn select(&self, rows: &Rows) -> Self {
        Self {
            origin: rows.of(&self.origin),
            bounds: self.bounds.as_ref().map(|bounds| [0, 1].map(|side| rows.of(&bounds[side]))),
            on_host: self.on_host.as_ref().map(|origins| origins.select(rows.as_slice())),
            ..*self
        }
    }
}
