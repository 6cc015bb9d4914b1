//! The step of FAB, for each image by itself on the host.

use crate::Norm;
use crate::methods::shared::minimum_norm::Plane;
use crate::threat::hyperplane::nearest;
use crate::threat::on_host::Images;
use burn::tensor::Tensor;

/// The parameters of a step.
pub(super) struct Step {
    pub norm: Norm,
    pub alpha_max: f64,
    pub eta: f64,
}

impl Step {
    /// Steps from the iterates `x` towards the plane, which is given relative to them, with a bias
    /// towards the originals (arXiv 1907.02044, equations 7 to 9):
    ///
    /// `x ← (1 − α)(x + η d) + α (x₀ + η d₀)`, clipped to the box, with `d` and `d₀` the ways from
    /// `x` and `x₀` to the plane and `α = min(‖d‖ / (‖d‖ + ‖d₀‖), alpha_max)`.
    pub fn take(&self, x: &Tensor<4>, originals: &Images, plane: &Plane) -> Tensor<4> {
        let normals = Images::read(&plane.normal);
        let mut points = Images::read(x);
        points.for_each(|row, point| {
            self.move_point(point, originals.row(row), normals.row(row), plane.offsets[row]);
        });
        points.write(x)
    }

    fn move_point(&self, point: &mut [f64], original: &[f64], normal: &[f64], offset: f64) {
        let way = original.iter().zip(&*point).zip(normal);
        let offset_of_original = offset + way.map(|((o, x), w)| w * (o - x)).sum::<f64>();
        let [mut near, mut from_original] = [point.to_vec(), original.to_vec()];
        nearest(self.norm, &mut near, normal, offset);
        nearest(self.norm, &mut from_original, normal, offset_of_original);
        let [length, other] = [(&near, &*point), (&from_original, original)]
            .map(|(to, from)| distance(self.norm, to, from).max(1e-8));
        let alpha = (length / (length + other)).min(self.alpha_max);
        let ends = near.iter().zip(&from_original).zip(original);
        for (x, ((near, from_original), o)) in point.iter_mut().zip(ends) {
            let ahead = *x + self.eta * (near - *x);
            let biased = o + self.eta * (from_original - o);
            *x = ((1.0 - alpha) * ahead + alpha * biased).clamp(0.0, 1.0);
        }
    }
}

fn distance(norm: Norm, a: &[f64], b: &[f64]) -> f64 {
    let sizes = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    match norm {
        Norm::Linf => sizes.fold(0.0, f64::max),
        Norm::L2 => sizes.map(|size| size * size).sum::<f64>().sqrt(),
        Norm::L1 => sizes.sum(),
    }
}
