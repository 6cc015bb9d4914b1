//! The balls of FMN: one for each image, with a radius of its own.

use crate::adversarial::last_place;
use crate::rows::{per_row, read};
use crate::threat::l1;
use crate::threat::on_host::Images;
use crate::{Norm, Rows};
use burn::tensor::Tensor;

/// A ball around each original, within the box.
pub(super) struct Balls {
    norm: Norm,
    overshoot: Overshoot,
    radii: Vec<Radius>,
    originals: Tensor<4>,
    /// The originals on the host, in L2 and L1: their projections run there.
    on_host: Option<Images>,
}

/// The amount by which a radius exceeds the distance of the linear model's boundary.
#[derive(Clone, Copy, Debug)]
struct Overshoot {
    share: f64,
    /// The least amount, as a length in the norm: with less, rounding could give the same image
    /// again.
    least: f64,
}

impl Overshoot {
    /// The overshoot for these images; none if the share is zero.
    fn new(originals: &Tensor<4>, norm: Norm, share: f64) -> Self {
        let values = originals.dims()[1..].iter().product::<usize>() as f64;
        // Numbers just below one are half a unit in the last place of one apart.
        let apart = if share > 0.0 { 0.5 * last_place(originals.dtype()) } else { 0.0 };
        let least = match norm {
            Norm::Linf => apart,
            Norm::L2 => apart * values.sqrt(),
            Norm::L1 => apart * values,
        };
        Self { share, least }
    }
}

/// The radius of a ball.
#[derive(Clone, Debug)]
struct Radius {
    now: f64,
    /// The distance of the nearest adversarial image; infinite before any.
    nearest: f64,
    /// The distance of the farthest image of the box.
    farthest: f64,
}

impl Radius {
    /// Updates the radius after the evaluation of an image. `way` is the distance from the image to
    /// the boundary of the linear model.
    fn follow(&mut self, reached: bool, distance: f64, way: f64, gamma: f64, overshoot: Overshoot) {
        self.now = if reached {
            self.nearest = self.nearest.min(distance);
            (self.now * (1.0 - gamma)).min(self.nearest)
        } else if self.nearest.is_finite() {
            self.now * (1.0 + gamma)
        } else {
            // If margin and gradient are both zero, their quotient is NaN.
            let way = if way.is_nan() { f64::INFINITY } else { way };
            (distance + way) * (1.0 + overshoot.share) + overshoot.least
        }
        .min(self.farthest);
    }
}

impl Balls {
    pub fn around(originals: &Tensor<4>, norm: Norm, overshoot: f64) -> Self {
        let room = originals.clone().max_pair(originals.clone().neg().add_scalar(1.0));
        let farthest = read(&norm.length(room)).into_iter();
        let radius = |farthest| Radius { now: f64::INFINITY, nearest: f64::INFINITY, farthest };
        Self {
            norm,
            overshoot: Overshoot::new(originals, norm, overshoot),
            radii: farthest.map(radius).collect(),
            originals: originals.clone(),
            on_host: (norm != Norm::Linf).then(|| Images::read(originals)),
        }
    }

    /// The balls around some of the originals.
    pub fn select(&self, rows: &Rows) -> Self {
        Self {
            radii: rows.of_list(&self.radii),
            originals: rows.of(&self.originals),
            on_host: self.on_host.as_ref().map(|originals| originals.select(rows.as_slice())),
            ..*self
        }
    }

    /// Updates the radii after the evaluation of images. `ways` are the distances from the images
    /// to the boundaries of their linear models.
    pub fn follow(
        &mut self,
        reached: &[bool],
        distances: &[f64],
        ways: impl IntoIterator<Item = f64>,
        gamma: f64,
    ) {
        let looks = reached.iter().zip(distances).zip(ways);
        for (radius, ((&reached, &distance), way)) in self.radii.iter_mut().zip(looks) {
            radius.follow(reached, distance, way, gamma, self.overshoot);
        }
    }

    /// The nearest point of ball and box to each image.
    pub fn project(&self, x: Tensor<4>) -> Tensor<4> {
        let Some(originals) = &self.on_host else {
            let radii: Vec<f64> = self.radii.iter().map(|radius| radius.now).collect();
            let radii = per_row(&radii, &x);
            let [low, high] =
                [self.originals.clone() - radii.clone(), self.originals.clone() + radii];
            return x.max_pair(low).min_pair(high).clamp(0.0, 1.0);
        };
        let mut images = Images::read(&x);
        images.for_each(|row, image| {
            let (original, radius) = (originals.row(row), self.radii[row].now);
            match self.norm {
                Norm::L1 => l1::project_image(image, original, radius),
                _ => project_l2(image, original, radius),
            }
        });
        // Rounded to the images' type, a pixel may lie beyond the box by the last digit.
        images.write(&x).clamp(0.0, 1.0)
    }
}

/// The projection is `δᵢ = min(s |dᵢ|, roomᵢ)` in the direction of `dᵢ`, for the scale `s ≤ 1` at
/// which the length is the radius.
fn project_l2(image: &mut [f64], original: &[f64], radius: f64) {
    let change = |(x, o): (&f64, &f64)| {
        let d = x - o;
        (d.abs(), if d > 0.0 { 1.0 - o } else { *o })
    };
    let parts: Vec<(f64, f64)> = image.iter().zip(original).map(change).collect();
    let square = radius * radius;
    let moved = |scale: f64, (size, room): (f64, f64)| (scale * size).min(room);
    let length = parts.iter().map(|&part| moved(1.0, part).powi(2)).sum::<f64>();
    let mut scale = if length <= square { 1.0 } else { 0.0 };
    // Pixels that meet the box at one scale stay at its faces at every larger scale. The others
    // share the rest of the radius, so that their scale grows until no more of them meet the box.
    while scale < 1.0 {
        let (mut fixed, mut free) = (0.0, 0.0);
        for &(size, room) in &parts {
            if scale * size >= room { fixed += room * room } else { free += size * size }
        }
        let next = ((square - fixed).max(0.0) / free).sqrt().min(1.0);
        if next.is_nan() || next <= scale {
            break;
        }
        scale = next;
    }
    for ((x, &o), &part) in image.iter_mut().zip(original).zip(&parts) {
        *x = o + moved(scale, part).copysign(*x - o);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radius_leaps_to_the_boundary_and_then_keeps_to_it() {
        let mut radius = Radius { now: f64::INFINITY, nearest: f64::INFINITY, farthest: 2.0 };
        let overshoot = Overshoot { share: 0.2, least: 0.01 };
        let mut radii = Vec::new();
        for (reached, distance, way) in [
            (false, 0.0, 0.5),
            (false, 0.5, f64::NAN),
            (true, 0.7, 0.1),
            (true, 0.69, 0.1),
            (false, 0.5, 0.1),
            (true, 0.68, 0.1),
        ] {
            radius.follow(reached, distance, way, 0.1, overshoot);
            radii.push(radius.now);
        }
        // 1.2 times the way, and 0.01; the farthest; the distance; 0.9 of it; 1.1 of that; 0.9 of
        // that.
        let wanted = [0.61, 2.0, 0.7, 0.63, 0.693, 0.6237];
        let near = radii.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-12);
        assert!(near, "{radii:?}");
    }

    /// The check is by the Karush-Kuhn-Tucker conditions: one factor scales all free pixels, and a
    /// pixel at a face of the box would otherwise go beyond it.
    #[test]
    fn a_projection_in_l2_is_the_nearest_point_of_ball_and_box() {
        let original = [0.5, 0.9, 0.2, 1.0, 0.0, 0.6];
        let image = [1.7, 1.3, -0.4, 1.2, 0.3, 0.55];
        for radius in [0.01, 0.2, 0.45, 0.6] {
            let mut point = image;
            project_l2(&mut point, &original, radius);
            let change: Vec<f64> = point.iter().zip(&original).map(|(x, o)| x - o).collect();
            let length = change.iter().map(|d| d * d).sum::<f64>().sqrt();
            assert!((length - radius).abs() < 1e-12, "{radius}: {length}");
            let scale = change[5] / (image[5] - original[5]);
            assert!(scale > 0.0 && scale < 1.0, "{radius}: {scale}");
            for (row, (&x, change)) in point.iter().zip(&change).enumerate() {
                let wish = scale * (image[row] - original[row]);
                let face = x == 0.0 || x == 1.0;
                let right = !face || wish.abs() >= change.abs();
                assert!((0.0..=1.0).contains(&x) && right, "{radius}: {row} {x}");
                assert!(face || (wish - change).abs() < 1e-12, "{radius}: {row} {change}");
            }
        }
        let mut point = image;
        project_l2(&mut point, &original, 2.0);
        let wanted = [1.0, 1.0, 0.0, 1.0, 0.3, 0.55];
        assert!(point.iter().zip(wanted).all(|(x, wanted)| (x - wanted).abs() < 1e-15));
    }
}
