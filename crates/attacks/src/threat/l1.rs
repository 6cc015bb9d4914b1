//! The geometry of the L1 norm, which needs sorting and root finding.

use super::on_host::Images;
use burn::tensor::Tensor;

/// As [`Norm::sparse_step`](super::Norm::sparse_step).
pub(super) fn sparse_step(gradient: Tensor<4>, shares: &[usize]) -> Tensor<4> {
    let (got, wanted) = (shares.len(), gradient.dims()[0]);
    assert_eq!(got, wanted, "shares: got {got}, wanted {wanted}, one for each image");
    let mut images = Images::read(&gradient);
    images.for_each(|row, slopes| {
        let mut sizes: Vec<f64> = slopes.iter().map(|slope| slope.abs()).collect();
        let last = shares[row].clamp(1, sizes.len()) - 1;
        let (_, &mut threshold, _) = sizes.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
        let moves = |slope: f64| slope != 0.0 && slope.abs() >= threshold;
        let moved = slopes.iter().filter(|slope| moves(**slope)).count().max(1) as f64;
        for slope in slopes {
            *slope = if moves(*slope) { slope.signum() / moved } else { 0.0 };
        }
    });
    images.write(&gradient)
}

/// The nearest point of the ball of radius `epsilon` around `origin` and of the box [0, 1], for
/// each image.
pub(super) fn project(perturbed: &Tensor<4>, origin: &Tensor<4>, epsilon: f64) -> Tensor<4> {
    project_onto(perturbed, &Images::read(origin), epsilon)
}

/// As [`project`], with the originals already on the host.
pub(super) fn project_onto(perturbed: &Tensor<4>, origins: &Images, epsilon: f64) -> Tensor<4> {
    let mut images = Images::read(perturbed);
    images.for_each(|row, image| project_image(image, origins.row(row), epsilon));
    // Rounded to the images' type, a pixel at the edge of the box may lie beyond it by the last
    // digit.
    images.write(perturbed).clamp(0.0, 1.0)
}

/// The projection is `δᵢ = min(max(|dᵢ| − λ, 0), roomᵢ)` in the direction of `dᵢ`, for the
/// multiplier `λ ≥ 0` at which the sum is ε: the sum's Lagrangian separates into one such problem
/// for each coordinate.
pub(crate) fn project_image(image: &mut [f64], origin: &[f64], epsilon: f64) {
    let change = |(x, o): (&f64, &f64)| {
        let d = x - o;
        (d.abs(), if d > 0.0 { 1.0 - o } else { *o })
    };
    let parts: Vec<(f64, f64)> = image.iter().zip(origin).map(change).collect();
    let moved = |multiplier: f64, (size, room): (f64, f64)| (size - multiplier).max(0.0).min(room);
    // Few coordinates may differ from the origin, and no others count.
    let differing: Vec<(f64, f64)> = parts.iter().filter(|part| part.0 > 0.0).copied().collect();
    // The sum, and how fast it falls.
    let total = |multiplier: f64| {
        differing.iter().fold((0.0, 0.0), |(sum, slope), &(size, room)| {
            let left = size - multiplier;
            let free = left > 0.0 && left < room;
            (sum + left.max(0.0).min(room), slope + f64::from(u8::from(free)))
        })
    };
    let multiplier = if total(0.0).0 <= epsilon {
        0.0
    } else {
        let (mut low, mut high) = (0.0, differing.iter().fold(0.0, |most, part| part.0.max(most)));
        let mut multiplier = low;
        // The sum is piecewise linear. Newton's method follows a piece to the point at which it
        // would meet ε. If that is outside the bracket, the bracket is halved instead.
        for _ in 0..200 {
            let (sum, slope) = total(multiplier);
            let excess = sum - epsilon;
            if excess == 0.0 || high - low <= f64::EPSILON * high {
                break;
            }
            if excess > 0.0 {
                low = multiplier
            } else {
                high = multiplier
            }
            let next = multiplier + excess / slope;
            let inside = slope > 0.0 && next > low && next < high;
            let next = if inside { next } else { 0.5 * (low + high) };
            if next == multiplier {
                break;
            }
            multiplier = next;
        }
        // The upper end of the bracket is within the ball.
        if total(multiplier).0 > epsilon { high } else { multiplier }
    };
    for ((x, &o), &part) in image.iter_mut().zip(origin).zip(&parts) {
        *x = o + moved(multiplier, part).copysign(*x - o);
    }
}
