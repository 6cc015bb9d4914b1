//! Geometry by its properties: balls and boxes hold, steps are steepest, starts follow their law.

use crate::support::{gap, largest};
use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_attacks::Norm;
use cni_noise::{ExampleIds, Key};
use proptest::collection::vec;
use proptest::prelude::*;

const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];
const SHAPE: [usize; 4] = [3, 2, 2, 1];
const ENTRIES: usize = 12;

fn tensor(values: Vec<f64>) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values, SHAPE), (&Device::flex(), DType::F64))
}

fn one(values: &[f64], dtype: DType) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [1, 1, 1, values.len()]);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

fn norms() -> impl Strategy<Value = Norm> {
    prop::sample::select(NORMS.to_vec())
}

/// Numbers between the bounds, and often the bounds themselves and the middle.
fn entries(low: f64, high: f64) -> impl Strategy<Value = Vec<f64>> {
    let entry = prop_oneof![low..high, Just(low), Just(high), Just((low + high) / 2.0)];
    vec(entry, ENTRIES)
}

proptest! {
    #[test]
    fn projections_are_in_ball_and_box(
        norm in norms(), origin in entries(0.0, 1.0), point in entries(-3.0, 3.0),
        epsilon in 0.0..2.0,
    ) {
        let (origin, point) = (tensor(origin), tensor(point));
        let projected = norm.project(point, &origin, epsilon);
        let distance = largest(norm.distance(&projected, &origin));
        prop_assert!(distance <= epsilon * (1.0 + 1e-12), "{distance} > {epsilon}");
        prop_assert!(gap(&projected, &projected.clone().clamp(0.0, 1.0)) == 0.0);
    }

    #[test]
    fn points_in_ball_and_box_stay_where_they_are(
        norm in norms(), origin in entries(0.0, 1.0), point in entries(0.0, 1.0),
    ) {
        let (origin, point) = (tensor(origin), tensor(point));
        let epsilon = largest(norm.distance(&point, &origin)) * (1.0 + 1e-12);
        let moved = gap(&norm.project(point.clone(), &origin, epsilon), &point);
        prop_assert!(moved < 1e-15, "moved by {moved}");
    }

    #[test]
    fn no_epsilon_means_no_change(
        norm in norms(), origin in entries(0.0, 1.0), point in entries(-3.0, 3.0),
    ) {
        let origin = tensor(origin);
        prop_assert_eq!(gap(&norm.project(tensor(point), &origin, 0.0), &origin), 0.0);
    }

    /// A step of length s gains at most s times the dual norm of the gradient.
    #[test]
    fn steps_have_their_length_and_gain_the_dual_norm(
        norm in norms(), gradient in entries(-5.0, 5.0), size in 0.01..2.0,
    ) {
        let gradient = tensor(gradient);
        let step = norm.steepest_step(gradient.clone(), size);
        let per_image = |t: Tensor<4>| t.sum_dims(&[1, 2, 3]).try_to_vec_as::<f64>().unwrap();
        let lengths = norm.distance(&step, &step.zeros_like()).try_to_vec_as::<f64>().unwrap();
        let gains = per_image(step * gradient.clone());
        let dual = match norm {
            Norm::Linf => per_image(gradient.abs()),
            Norm::L2 => per_image(gradient.square()).into_iter().map(f64::sqrt).collect(),
            Norm::L1 => gradient.max_abs_dims(&[1, 2, 3]).try_to_vec_as::<f64>().unwrap(),
        };
        for ((length, gain), dual) in lengths.into_iter().zip(gains).zip(dual) {
            let wanted = if dual == 0.0 { 0.0 } else { size };
            prop_assert!((length - wanted).abs() < 1e-12, "length {length}, wanted {wanted}");
            prop_assert!((gain - size * dual).abs() < 1e-10, "gain {gain}, wanted {}", size * dual);
        }
    }

    #[test]
    fn starts_do_not_depend_on_the_cut_into_batches(
        norm in norms(), seed: u64, first in 0u64..1 << 40, cut in 1usize..6,
    ) {
        let like = Tensor::<4>::zeros([6, 1, 2, 3], (&Device::flex(), DType::F64));
        let key = Key::new(seed);
        let law = [Norm::random_start, Norm::random_surface];
        for start in law {
            let whole = start(norm, key, &like, 0.3, &first.into());
            let head = start(norm, key, &like.clone().slice(0..cut), 0.3, &first.into());
            let rest: Vec<usize> = (cut..6).collect();
            let rest = ExampleIds::from(first).select(&rest);
            let tail = start(norm, key, &like.clone().slice(cut..6), 0.3, &rest);
            prop_assert!(gap(&whole, &Tensor::cat(vec![head, tail], 0)) < 1e-15);
        }
    }
}

#[test]
fn hand_cases_of_distance_and_projection() {
    let origin = one(&[0.5, 0.5], DType::F64);
    let point = one(&[0.8, 0.9], DType::F64);
    for (norm, distance, epsilon, wanted) in [
        (Norm::Linf, 0.4, 0.3, [0.8, 0.8]),
        (Norm::Linf, 0.4, 9.0, [0.8, 0.9]),
        (Norm::L2, 0.5, 0.25, [0.65, 0.7]),
        (Norm::L2, 0.5, 0.5, [0.8, 0.9]),
        (Norm::L1, 0.7, 0.3, [0.6, 0.7]),
        (Norm::L1, 0.7, 0.05, [0.5, 0.55]),
        (Norm::L1, 0.7, 0.7, [0.8, 0.9]),
    ] {
        let got = norm.distance(&point, &origin).into_scalar::<f64>();
        assert!((got - distance).abs() < 1e-15, "{norm:?}: {got}");
        let projected = norm.project(point.clone(), &origin, epsilon);
        assert!(
            gap(&projected, &one(&wanted, DType::F64)) < 1e-15,
            "{norm:?} {epsilon}: {projected}"
        );
    }
    let outside = Norm::L2.project(one(&[2.0, 0.5], DType::F64), &origin, 1.0);
    assert_eq!(gap(&outside, &one(&[1.0, 0.5], DType::F64)), 0.0);
}

#[test]
fn small_gradients_give_whole_steps_and_zero_gives_none() {
    for scale in [1e-30, 1e-20, 1.0, 1e20, 1e30] {
        let gradient = one(&[3.0, -4.0], DType::F64).mul_scalar(scale).cast(DType::F32);
        let step = Norm::L2.steepest_step(gradient, 0.5);
        assert!(gap(&step, &one(&[0.3, -0.4], DType::F32)) < 1e-6, "{scale}: {step}");
    }
    for norm in NORMS {
        let step = norm.steepest_step(one(&[0.0, 0.0], DType::F32), 0.5);
        assert_eq!(step.try_to_vec_as::<f32>().unwrap(), [0.0, 0.0]);
    }
}

/// Linf: entries uniform in ±ε, so mean 0 and variance ε²/3. L2: (r/ε)^d uniform in [0, 1], and
/// each entry's square a d-th of r². L1: the same of the radius, whose mean is d/(d + 1), and
/// entries of either sign with a mean square of 2/((d + 1)(d + 2)). Bounds are five standard errors
/// at n = 20 000 images of d = 6 values.
#[test]
fn starts_are_uniform_in_the_ball() {
    let (n, d, epsilon) = (20_000, 6, 0.3);
    let like = Tensor::<4>::zeros([n, 1, 2, 3], (&Device::flex(), DType::F64));
    let start =
        |norm: Norm| norm.random_start(Key::new(5), &like, epsilon, &0.into()).div_scalar(epsilon);
    let within = |what: &str, got: f64, wanted: f64, standard_error: f64| {
        assert!((got - wanted).abs() < 5.0 * standard_error, "{what}: got {got}, wanted {wanted}");
    };
    let mean = |t: Tensor<4>| t.mean().into_scalar::<f64>();
    let count = (n * d) as f64;

    let x = start(Norm::Linf);
    assert!(largest(x.clone().abs()) <= 1.0);
    within("Linf mean", mean(x.clone()), 0.0, (1.0 / 3.0 / count).sqrt());
    // Var u² = 1/5 − 1/9 for u uniform in ±1.
    within("Linf variance", mean(x.square()), 1.0 / 3.0, (4.0 / 45.0 / count).sqrt());

    let x = start(Norm::L2);
    let radius = Norm::L2.distance(&x, &like);
    assert!(largest(radius.clone()) <= 1.0 + 1e-12);
    let volume = radius.powi_scalar(d as i64);
    within("L2 volume", volume.clone().mean().into_scalar(), 0.5, (1.0 / 12.0 / n as f64).sqrt());
    within(
        "L2 volume²",
        volume.square().mean().into_scalar(),
        1.0 / 3.0,
        (4.0 / 45.0 / n as f64).sqrt(),
    );
    within("L2 mean", mean(x.clone()), 0.0, (1.0 / 8.0 / count).sqrt());
    // Isotropy: each of the d entries has variance E r² / d = 1 / (d + 2), and 0 ≤ x² ≤ 1 bounds
    // its spread by E x².
    for entry in 0..d {
        let [row, column] = [entry / 3, entry % 3];
        let entry = x.clone().slice([0..n, 0..1, row..row + 1, column..column + 1]);
        within("L2 entry", mean(entry.square()), 1.0 / 8.0, (1.0 / 8.0 / n as f64).sqrt());
    }

    let x = start(Norm::L1);
    let radius = Norm::L1.distance(&x, &like);
    assert!(largest(radius.clone()) <= 1.0 + 1e-12);
    // The variance of a Beta(d, 1) variable.
    let (mean_radius, variance) = (6.0 / 7.0, 6.0 / 49.0 / 8.0);
    let got = radius.clone().mean().into_scalar();
    within("L1 radius", got, mean_radius, (variance / n as f64).sqrt());
    let volume = radius.powi_scalar(d as i64).mean().into_scalar();
    within("L1 volume", volume, 0.5, (1.0 / 12.0 / n as f64).sqrt());
    for entry in 0..d {
        let [row, column] = [entry / 3, entry % 3];
        let entry = x.clone().slice([0..n, 0..1, row..row + 1, column..column + 1]);
        within("L1 entry", mean(entry.clone()), 0.0, (1.0 / 28.0 / n as f64).sqrt());
        within("L1 entry²", mean(entry.square()), 1.0 / 28.0, (1.0 / 28.0 / n as f64).sqrt());
    }
}
