//! Projections against an independent certificate of optimality, and the lengths of directions.

use crate::support::{gap, largest};
use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_attacks::Norm;
use cni_noise::Key;
use proptest::collection::vec;
use proptest::prelude::*;

const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];
const VALUES: usize = 7;

fn image(values: &[f64]) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [1, 1, 1, values.len()]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn project(norm: Norm, point: &[f64], origin: &[f64], epsilon: f64) -> Vec<f64> {
    norm.project(image(point), &image(origin), epsilon).try_to_vec_as().unwrap()
}

/// For each pixel, the size of the slope, and how far the pixel can go along it within the box.
fn parts(slopes: &[f64], origin: &[f64]) -> Vec<(f64, f64)> {
    let room = |(&slope, &o): (&f64, &f64)| (slope.abs(), if slope > 0.0 { 1.0 - o } else { o });
    slopes.iter().zip(origin).map(room).collect()
}

/// The most that `Σ slopes · δ` can be for changes `δ` of `origin` within the box and a ball of
/// Linf.
fn most_in_linf(slopes: &[f64], origin: &[f64], epsilon: f64) -> f64 {
    parts(slopes, origin).into_iter().map(|(slope, room)| slope * room.min(epsilon)).sum()
}

/// The same in L1: the steepest pixels move first, until ε is used up.
fn most_in_l1(slopes: &[f64], origin: &[f64], epsilon: f64) -> f64 {
    let mut parts = parts(slopes, origin);
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut left = epsilon;
    let gain = parts.into_iter().map(|(slope, room)| {
        let step = room.min(left);
        left -= step;
        slope * step
    });
    gain.sum()
}

fn pixels() -> impl Strategy<Value = Vec<f64>> {
    vec(prop_oneof![0.0..1.0, Just(0.0), Just(1.0)], VALUES)
}

fn points() -> impl Strategy<Value = Vec<f64>> {
    vec(prop_oneof![-2.0..3.0, Just(0.0), Just(1.0), Just(1.5)], VALUES)
}

proptest! {
    /// A point `p` of a convex set is the nearest to `x` exactly if no point `z` of the set has `(x
    /// − p)·(z − p) > 0`.
    #[test]
    fn projections_of_linf_and_l1_are_the_nearest_points(
        origin in pixels(), point in points(), epsilon in 0.01..4.0,
    ) {
        type Most = fn(&[f64], &[f64], f64) -> f64;
        for (norm, most) in [(Norm::Linf, most_in_linf as Most), (Norm::L1, most_in_l1)] {
            let projected = project(norm, &point, &origin, epsilon);
            let slopes: Vec<f64> = point.iter().zip(&projected).map(|(x, p)| x - p).collect();
            let change = projected.iter().zip(&origin).map(|(p, o)| p - o);
            let reached: f64 = change.zip(&slopes).map(|(change, slope)| change * slope).sum();
            let excess = most(&slopes, &origin, epsilon) - reached;
            prop_assert!(excess < 1e-12, "{norm:?}: {excess} of {slopes:?} at {projected:?}");
        }
    }

    #[test]
    fn the_l2_projection_is_the_nearest_point_of_the_ball_where_the_box_is_far(
        origin in vec(0.4..0.6, VALUES), point in vec(-2.0..3.0, VALUES), epsilon in 0.01..0.4,
    ) {
        let change: Vec<f64> = point.iter().zip(&origin).map(|(x, o)| x - o).collect();
        let length: f64 = change.iter().map(|d| d * d).sum::<f64>().sqrt();
        let scale = f64::min(epsilon / length, 1.0);
        let wanted: Vec<f64> = origin.iter().zip(&change).map(|(o, d)| o + scale * d).collect();
        let projected = project(Norm::L2, &point, &origin, epsilon);
        prop_assert!(gap(&image(&projected), &image(&wanted)) < 1e-14, "{projected:?}");
    }

    #[test]
    fn projecting_again_changes_nothing(
        origin in pixels(), point in points(), epsilon in 0.0..4.0,
    ) {
        for norm in NORMS {
            let once = project(norm, &point, &origin, epsilon);
            let twice = project(norm, &once, &origin, epsilon);
            let moved = gap(&image(&once), &image(&twice));
            prop_assert!(moved < 1e-14, "{norm:?}: moved by {moved}");
        }
    }
}

#[test]
fn points_of_the_surface_have_the_length_of_the_radius() {
    let like = Tensor::<4>::zeros([50, 3, 4, 4], (&Device::flex(), DType::F64));
    for norm in NORMS {
        let change = norm.random_surface(Key::new(3), &like, 0.7, &9.into());
        let distances = norm.distance(&change, &like);
        assert!(largest(distances.sub_scalar(0.7).abs()) < 1e-14, "{norm:?}");
        let mean = change.mean().into_scalar::<f64>().abs();
        assert!(mean < 0.1, "{norm:?}: a mean of {mean}");
    }
}

#[test]
fn units_have_length_one_whatever_the_scale_and_zero_stays_zero() {
    let values = [3.0, -4.0, 0.0, 1.0];
    for scale in [1e-30, 1.0, 1e30] {
        for norm in NORMS {
            let images = image(&values).mul_scalar(scale).cast(DType::F32);
            let unit = norm.unit(images);
            let length = norm.distance(&unit, &unit.zeros_like()).into_scalar::<f64>();
            assert!((length - 1.0).abs() < 1e-6, "{norm:?} {scale}: {length}");
            let wanted = norm.unit(image(&values)).cast(DType::F32);
            assert!(gap(&unit, &wanted) < 1e-6, "{norm:?} {scale}: {unit}");
        }
    }
    for norm in NORMS {
        let zero = image(&[0.0; VALUES]);
        assert_eq!(gap(&norm.unit(zero.clone()), &zero), 0.0, "{norm:?}");
    }
}
