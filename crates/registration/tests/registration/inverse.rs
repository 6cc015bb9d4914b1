//! Inverses of fields.

use crate::support::{farthest, interior, made, numbers};
use burn::tensor::Tensor;
use cni_registration::fields::{Inverse, compose, folds, integrate};

fn smooth(size: f64) -> Tensor<4> {
    made(2, &[24, 20], move |axis, x| size * (0.3 * x[0] + 0.25 * x[1] + 2.0 * axis as f64).sin())
}

fn longest(x: &Tensor<4>, margin: usize) -> f64 {
    let x = numbers(&interior(x, margin));
    farthest(&x, &vec![0.0; x.len()])
}

/// The right inverse is exact up to the tolerance, on the grid. The left one is read between
/// voxels: it has the error of linear interpolation, the second derivative / 8 along each axis.
#[test]
fn a_field_and_its_inverse_undo_each_other() {
    let field = smooth(1.2);
    let inverse = Inverse { tolerance: 1e-9, iterations: 200 }.of(field.clone()).unwrap();
    let right = compose(field.clone(), inverse.clone()).unwrap();
    assert!(longest(&right, 0) < 2e-9, "{}", longest(&right, 0));
    let left = longest(&compose(inverse, field).unwrap(), 4);
    let interpolation = 1.2 * (0.3_f64.powi(2) + 0.25_f64.powi(2)) / 8.0;
    assert!(left < 4.0 * interpolation, "{left}, {interpolation}");
}

#[test]
fn the_inverse_of_a_velocitys_field_is_the_field_of_its_negative() {
    let velocity = smooth(1.0);
    let there = integrate(velocity.clone(), 7).unwrap();
    let back = integrate(velocity.neg(), 7).unwrap();
    assert_eq!(folds(&there).unwrap(), [0]);
    for both in [compose(there.clone(), back.clone()), compose(back.clone(), there.clone())] {
        let left = longest(&both.unwrap(), 5);
        assert!(left < 0.05, "{left}");
    }
    let fixed_point = Inverse::default().of(there).unwrap();
    assert!(longest(&(fixed_point - back), 5) < 0.05);
}

/// A velocity so large that its displacement folds as a field does not as a flow.
#[test]
fn a_flow_does_not_fold_where_its_velocity_would() {
    let velocity = made::<4>(2, &[32, 32], |axis, x| {
        3.0 * (0.5 * x[0] + 0.1 * x[1]).sin() * f64::from(axis == 0)
    });
    assert!(folds(&velocity).unwrap()[0] > 0);
    assert_eq!(folds(&integrate(velocity, 7).unwrap()).unwrap(), [0]);
}

/// One component that depends on its own axis is inverted by bisection.
#[test]
fn inverses_in_three_dimensions_are_those_of_bisection() {
    let u = |x: f64| 1.5 * (0.4 * x).sin();
    let voxels = 20;
    let field = made::<5>(3, &[voxels, 4, 3], |axis, x| if axis == 0 { u(x[0]) } else { 0.0 });
    let found = Inverse { tolerance: 1e-10, iterations: 300 }.of(field).unwrap();
    // The field between voxels is linear.
    let linear = |x: f64| {
        let x = x.clamp(0.0, voxels as f64 - 1.0);
        let low = x.floor().min(voxels as f64 - 2.0);
        u(low) + (x - low) * (u(low + 1.0) - u(low))
    };
    for (number, w) in numbers(&found.narrow(1, 0, 1)).into_iter().enumerate() {
        let x = (number / 12) as f64;
        let (mut low, mut high) = (-10.0, 40.0);
        for _ in 0..200 {
            let middle = (low + high) / 2.0;
            if middle + linear(middle) < x { low = middle } else { high = middle }
        }
        assert!((x + w - low).abs() < 1e-8, "{x}: {w}");
    }
}

/// A step of 1.8 voxels from one voxel to the next, along which each iterate is 1.8 times as far
/// off as the one before: the first is within the tolerance, and the second is not.
#[test]
fn the_inverse_is_the_iterate_whose_residual_was_measured() {
    let step = made::<4>(2, &[8, 3], |axis, x| match (axis, x[0] < 4.0) {
        (0, true) => -0.9,
        (0, false) => 0.9,
        _ => 0.0,
    });
    let far = smooth(1.2).narrow(2, 0, 8).narrow(3, 0, 3);
    let inverse = Inverse { tolerance: 1.0, iterations: 9 };
    for field in [step.clone(), Tensor::cat(vec![far, step], 0)] {
        let residual = compose(field.clone(), inverse.of(field).unwrap()).unwrap();
        assert!(longest(&residual, 0) <= inverse.tolerance, "{}", longest(&residual, 0));
    }
}

/// One example needs no iteration, one a few and one many.
#[test]
fn an_inverse_does_not_depend_on_the_rest_of_the_batch() {
    let fields = [smooth(0.0), smooth(0.4), smooth(1.2)];
    let inverse = Inverse::default();
    let together = inverse.of(Tensor::cat(fields.to_vec(), 0)).unwrap();
    for (example, field) in fields.into_iter().enumerate() {
        let alone = numbers(&inverse.of(field).unwrap());
        assert_eq!(numbers(&together.clone().narrow(0, example, 1)), alone, "{example}");
    }
}
