//! The spatial transformer.

use crate::support::{assert_gradient, interior, made, numbers, random, tensor};
use burn::tensor::Tensor;
use cni_registration::fields::{Interpolation, Outside, Sampling, warp};

fn samplings() -> impl Iterator<Item = Sampling> {
    [Interpolation::Linear, Interpolation::Nearest].into_iter().flat_map(|interpolation| {
        [Outside::Border, Outside::Zeros].map(|outside| Sampling { interpolation, outside })
    })
}

#[test]
fn a_field_of_zeros_changes_nothing() {
    for sampling in samplings() {
        let image = random(1, [2, 3, 5, 1]);
        let field = Tensor::zeros_like(&random(2, [2, 2, 5, 1]));
        assert_eq!(numbers(&warp(image.clone(), field, sampling).unwrap()), numbers(&image));
        let image = random(1, [2, 1, 3, 4, 5]);
        let field = Tensor::zeros_like(&random(2, [2, 3, 3, 4, 5]));
        assert_eq!(numbers(&warp(image.clone(), field, sampling).unwrap()), numbers(&image));
    }
}

/// The value two rows below and a column to the left; beyond the image, that of its border or 0.
#[test]
fn shifts_by_whole_voxels_are_exact_inside_and_by_the_rule_outside() {
    let image = random::<4>(3, [1, 1, 6, 5]);
    let field = made(2, &[6, 5], |axis, _| [2.0, -1.0][axis]);
    let values = numbers(&image);
    for sampling in samplings() {
        let found = numbers(&warp(image.clone(), field.clone(), sampling).unwrap());
        for row in 0..6 {
            for column in 0..5 {
                let inside = row + 2 < 6 && column >= 1;
                let at = (row + 2).min(5) * 5 + column.max(1) - 1;
                let wanted = match sampling.outside {
                    Outside::Zeros if !inside => 0.0,
                    _ => values[at],
                };
                assert_eq!(found[row * 5 + column], wanted, "{sampling:?} {row} {column}");
            }
        }
    }
    let image = random::<5>(4, [1, 2, 4, 5, 6]);
    let field = made(3, &[4, 5, 6], |axis, _| [1.0, 0.0, -2.0][axis]);
    let found = warp(image.clone(), field, Sampling::default()).unwrap();
    let shifted = image.slice([0..1, 0..2, 1..4, 0..5, 0..4]);
    assert_eq!(numbers(&found.slice([0..1, 0..2, 0..3, 0..5, 2..6])), numbers(&shifted));
}

/// The nearest voxel to a place half-way between two is the even one.
#[test]
fn the_nearest_voxel_is_taken_where_asked() {
    let image = tensor(vec![0.0, 1.0, 2.0, 3.0], [1, 1, 1, 4]);
    let field = tensor(vec![0.0, 0.0, 0.0, 0.0, 0.4, 0.5, 0.6, -0.5], [1, 2, 1, 4]);
    let sampling = Sampling { interpolation: Interpolation::Nearest, ..Sampling::default() };
    assert_eq!(numbers(&warp(image, field, sampling).unwrap()), [0.0, 2.0, 3.0, 2.0]);
}

#[test]
fn the_gradient_of_a_linear_image_is_its_slope() {
    let image = made::<4>(1, &[6, 7], |_, x| 3.0 * x[0] - 2.0 * x[1]);
    let field = made::<4>(2, &[6, 7], |axis, x| 0.3 + 0.05 * x[axis]).autodiff().require_grad();
    let warped = warp(image, field.clone(), Sampling::default()).unwrap();
    let gradient = field.grad(&warped.sum().backward()).unwrap();
    let inside = interior(&gradient, 1);
    let [rows, columns] = [0, 1].map(|axis| numbers(&inside.clone().narrow(1, axis, 1)));
    assert!(rows.iter().all(|slope| (slope - 3.0).abs() < 1e-12), "{rows:?}");
    assert!(columns.iter().all(|slope| (slope + 2.0).abs() < 1e-12), "{columns:?}");
}

/// Places off the voxels, where the derivative does not jump; some are outside of the image.
#[test]
fn gradients_are_those_of_finite_differences() {
    for outside in [Outside::Border, Outside::Zeros] {
        let sampling = Sampling { interpolation: Interpolation::Linear, outside };
        let (image, field) = (random::<4>(5, [2, 2, 4, 3]), random::<4>(6, [2, 2, 4, 3]));
        let weights = random(7, [2, 2, 4, 3]);
        let of = |image: Tensor<4>, field: Tensor<4>| {
            (warp(image, field, sampling).unwrap() * weights.clone()).sum()
        };
        assert_gradient(&image, 1e-7, |image| of(image, field.clone()));
        assert_gradient(&field, 1e-7, |field| of(image.clone(), field));
    }
    let (image, field) = (random::<5>(8, [1, 1, 3, 3, 2]), random::<5>(9, [1, 3, 3, 3, 2]));
    let of = |image: Tensor<5>, field: Tensor<5>| {
        warp(image, field, Sampling::default()).unwrap().square().sum()
    };
    assert_gradient(&image, 1e-6, |image| of(image, field.clone()));
    assert_gradient(&field, 1e-6, |field| of(image.clone(), field));
}

#[test]
fn displacements_of_any_size_are_read_by_the_rule_outside() {
    let image = tensor::<4>(vec![1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    let far = |by: f64| tensor::<4>([[by; 4], [0.0; 4]].concat(), [1, 2, 2, 2]);
    for by in [1e30, f64::INFINITY] {
        let border = warp(image.clone(), far(by), Sampling::default()).unwrap();
        assert_eq!(numbers(&border), [3.0, 4.0, 3.0, 4.0]);
        let zeros = Sampling { outside: Outside::Zeros, ..Sampling::default() };
        assert_eq!(numbers(&warp(image.clone(), far(-by), zeros).unwrap()), [0.0; 4]);
    }
    // What is no number stays none, and does not stop the program.
    for sampling in samplings() {
        let none = warp(image.clone(), far(f64::NAN), sampling).unwrap();
        assert!(numbers(&none).into_iter().all(f64::is_nan), "{sampling:?}");
    }
}
