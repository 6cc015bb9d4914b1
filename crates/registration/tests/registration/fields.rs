//! Composition, integration, Jacobians, sizes and distances of fields.

use crate::support::{farthest, interior, made, numbers, random, tensor};
use burn::tensor::Tensor;
use cni_registration::fields::{
    Sampling, affine_field, compose, folds, integrate, jacobian_determinant, mean_distance, resize,
    resize_field, warp,
};
use nalgebra::{DMatrix, Matrix2, Vector2};

/// An affine map near the identity.
fn affine(a: [[f64; 2]; 2], t: [f64; 2]) -> Tensor<3> {
    tensor(vec![a[0][0], a[0][1], t[0], a[1][0], a[1][1], t[1]], [1, 2, 3])
}

#[test]
fn affine_fields_have_their_closed_form() {
    let (size, a, t) = ([5, 8], [[1.1, 0.2], [-0.3, 0.9]], [0.5, -2.0]);
    let found = affine_field::<4>(affine(a, t), &size).unwrap();
    let center = [2.0, 3.5];
    let wanted = made::<4>(2, &size, |axis, x| {
        let from = [x[0] - center[0], x[1] - center[1]];
        center[axis] + a[axis][0] * from[0] + a[axis][1] * from[1] + t[axis] - x[axis]
    });
    assert!(farthest(&numbers(&found), &numbers(&wanted)) < 1e-12);
}

#[test]
fn a_composition_of_affine_fields_is_the_product_of_their_maps() {
    let (a, t) = (Matrix2::new(1.1, 0.1, -0.2, 0.9), Vector2::new(0.4, -0.3));
    let (b, s) = (Matrix2::new(0.9, -0.1, 0.15, 1.05), Vector2::new(-0.2, 0.6));
    let of = |m: Matrix2<f64>, t: Vector2<f64>| {
        let matrix = affine([[m[(0, 0)], m[(0, 1)]], [m[(1, 0)], m[(1, 1)]]], [t[0], t[1]]);
        affine_field::<4>(matrix, &[20, 24]).unwrap()
    };
    let found = compose(of(a, t), of(b, s)).unwrap();
    // About the center: A (B x + s) + t.
    let wanted = of(a * b, a * s + t);
    assert!(farthest(&numbers(&interior(&found, 5)), &numbers(&interior(&wanted, 5))) < 1e-12);
}

/// Linear images lose nothing by interpolation, so that only the border differs.
#[test]
fn warping_twice_is_warping_by_the_composition() {
    let image = made::<5>(1, &[9, 10, 11], |_, x| x[0] - 2.0 * x[1] + 0.5 * x[2]);
    let smooth = |phase: f64| {
        made::<5>(3, &[9, 10, 11], |axis, x| {
            (0.3 * (x[0] + x[1] - x[2]) + phase + axis as f64).sin()
        })
    };
    let (outer, inner) = (smooth(0.0), smooth(2.0));
    let sampling = Sampling::default();
    let twice = warp(image.clone(), outer.clone(), sampling).unwrap();
    let twice = warp(twice, inner.clone(), sampling).unwrap();
    let once = warp(image, compose(outer, inner).unwrap(), sampling).unwrap();
    assert!(farthest(&numbers(&interior(&twice, 3)), &numbers(&interior(&once, 3))) < 1e-12);
}

#[test]
fn a_constant_velocity_is_its_own_field() {
    let velocity = made::<4>(2, &[7, 9], |axis, _| [1.5, -2.25][axis]);
    for squarings in [0, 1, 7] {
        let field = integrate(velocity.clone(), squarings).unwrap();
        assert!(farthest(&numbers(&field), &numbers(&velocity)) < 1e-12);
    }
}

/// `v = M (x − c)` moves `x − c` by `exp(M) − 1`; n squarings give `(1 + M / 2ⁿ)^(2ⁿ)`, whose error
/// halves with each further one. Each squaring reads a voxel further, so that the border, where a
/// place may be outside, is felt up to 7 voxels inside.
#[test]
fn a_linear_velocity_gives_the_exponential_of_its_matrix() {
    let m = DMatrix::from_row_slice(3, 3, &[-0.2, 0.4, 0.1, -0.3, -0.1, 0.0, 0.05, 0.1, -0.3]);
    let velocity = made::<5>(3, &[29, 29, 29], |axis, x| {
        (0..3).map(|other| m[(axis, other)] * (x[other] - 14.0)).sum()
    });
    let of = |map: &DMatrix<f64>| {
        made::<5>(3, &[29, 29, 29], |axis, x| {
            (0..3).map(|o| (map[(axis, o)] - f64::from(axis == o)) * (x[o] - 14.0)).sum()
        })
    };
    let inside = |x: &Tensor<5>| numbers(&interior(x, 11));
    let exact = inside(&of(&m.clone().exp()));
    let mut before = f64::INFINITY;
    for squarings in [3, 5, 7] {
        let found = inside(&integrate(velocity.clone(), squarings).unwrap());
        let parts = 1 << squarings;
        let step = DMatrix::identity(3, 3) + &m / f64::from(parts);
        let product = (1..parts).fold(step.clone(), |product, _| product * &step);
        assert!(farthest(&found, &inside(&of(&product))) < 1e-10);
        let error = farthest(&found, &exact);
        assert!(error < before / 3.0, "{squarings}: {error}");
        before = error;
    }
    assert!(before < 0.01, "{before}");
}

#[test]
fn the_jacobian_of_an_affine_field_is_its_determinant_at_every_voxel() {
    let a = [[1.2, 0.3], [-0.4, 0.7]];
    let field = affine_field::<4>(affine(a, [1.0, -1.0]), &[5, 6]).unwrap();
    let wanted = a[0][0] * a[1][1] - a[0][1] * a[1][0];
    let found = jacobian_determinant(&field).unwrap();
    assert_eq!(found.dims(), [1, 1, 5, 6]);
    assert!(numbers(&found).iter().all(|det| (det - wanted).abs() < 1e-12));
    let a = nalgebra::Matrix3::new(1.1, 0.2, -0.1, 0.3, 0.9, 0.4, -0.2, 0.1, 1.3);
    let field = made::<5>(3, &[4, 5, 3], |axis, x| {
        (0..3).map(|other| (a[(axis, other)] - f64::from(axis == other)) * x[other]).sum()
    });
    let found = numbers(&jacobian_determinant(&field).unwrap());
    assert!(found.iter().all(|det| (det - a.determinant()).abs() < 1e-12), "{found:?}");
}

/// A mirrored image folds everywhere; a column that moves back by more than a voxel for each of its
/// voxels folds there alone. What is no number counts.
#[test]
fn folds_are_counted_for_each_example() {
    let mirror = affine_field::<4>(affine([[-1.0, 0.0], [0.0, 1.0]], [0.0; 2]), &[6, 7]).unwrap();
    let column =
        made::<4>(2, &[6, 7], |axis, x| if axis == 0 && x[1] == 3.0 { -1.5 * x[0] } else { 0.0 });
    let bent = made::<4>(2, &[6, 7], |_, x| 0.4 * (x[0] + x[1]).sin());
    let none =
        made::<4>(2, &[6, 7], |axis, x| if axis == 0 && x == [2.0, 0.0] { f64::NAN } else { 0.0 });
    let all = Tensor::cat(vec![mirror, column, bent, none], 0);
    // It spreads along both axes.
    assert_eq!(folds(&all).unwrap(), [42, 6, 0, 6 + 7 - 1]);
}

#[test]
fn a_resized_affine_field_is_the_same_map_on_the_new_grid() {
    let (a, t) = ([[1.2, 0.3], [-0.4, 0.7]], [1.0, -2.0]);
    let (from, to) = ([5, 9], [9, 7]);
    let field = affine_field::<4>(affine(a, t), &from).unwrap();
    let factors = [8.0 / 4.0, 6.0 / 8.0];
    let scaled = |row: usize, column: usize| a[row][column] * factors[row] / factors[column];
    let wanted = affine(
        [[scaled(0, 0), scaled(0, 1)], [scaled(1, 0), scaled(1, 1)]],
        [t[0] * factors[0], t[1] * factors[1]],
    );
    let found = resize_field(field, &to).unwrap();
    let wanted = affine_field::<4>(wanted, &to).unwrap();
    assert!(farthest(&numbers(&found), &numbers(&wanted)) < 1e-12);
}

#[test]
fn linear_images_stay_linear_at_any_size() {
    let image = |size: &[usize], slope: [f64; 3]| {
        made::<5>(1, size, |_, x| slope[0] * x[0] + slope[1] * x[1] + slope[2] * x[2])
    };
    let found = resize(image(&[4, 3, 7], [3.0, 2.0, 1.0]), &[7, 5, 3]).unwrap();
    let wanted = image(&[7, 5, 3], [3.0 * 3.0 / 6.0, 2.0 * 2.0 / 4.0, 6.0 / 2.0]);
    assert!(farthest(&numbers(&found), &numbers(&wanted)) < 1e-12);
    // An axis of a voxel, from and to.
    let row = tensor::<4>(vec![1.0, 2.0, 3.0, 6.0], [1, 1, 1, 4]);
    assert_eq!(numbers(&resize(row.clone(), &[2, 1]).unwrap()), [2.5, 2.5]);
    assert_eq!(numbers(&resize(row.clone(), &[1, 4]).unwrap()), numbers(&row));
}

#[test]
fn a_distance_is_the_mean_length_of_the_difference_within_the_mask() {
    let a = random::<4>(1, [2, 2, 3, 3]);
    let shift = made::<4>(2, &[3, 3], |axis, _| [3.0, 4.0][axis]);
    let b = a.clone() + shift;
    let all = Tensor::ones_like(&a.clone().narrow(1, 0, 1));
    let found = mean_distance(&a, &b, &all).unwrap();
    assert!(found.iter().all(|distance| (distance - 5.0).abs() < 1e-12), "{found:?}");
    let corner = made::<4>(1, &[3, 3], |_, x| f64::from(x[0] + x[1] == 0.0)).repeat_dim(0, 2);
    let found = mean_distance(&(a.clone() * corner.clone()), &b, &corner).unwrap();
    assert!(found.iter().all(|distance| (distance - 5.0).abs() < 1e-12), "{found:?}");
}

#[test]
fn a_mean_distance_reads_no_voxel_without_weight() {
    let a = made::<4>(2, &[2, 2], |axis, x| if *x == [0.0, 1.0] { f64::NAN } else { axis as f64 });
    let b = Tensor::zeros_like(&a);
    let within = made::<4>(1, &[2, 2], |_, x| if x[0] == 1.0 { 2.0 } else { 0.0 });
    assert_eq!(mean_distance(&a, &b, &within).unwrap(), [1.0]);
    let all = Tensor::ones_like(&within);
    assert!(mean_distance(&a, &b, &all).unwrap()[0].is_nan());
}
