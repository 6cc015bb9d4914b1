//! Penalties on fields and similarities of images.

use crate::support::{assert_gradient, device, made, number, numbers, random};
use burn::tensor::Tensor;
use cni_registration::fields::affine_field;
use cni_registration::losses::{
    GradientNorm, Lengths, Lncc, Penalty, bending_energy, gradient_penalty, mean_squared_error,
};

/// The values of MONAI's tests of `BendingEnergyLoss` (tests/losses/deform/test_bending_energy.py).
#[test]
fn bending_energies_are_those_of_monais_tests() {
    let energy = |field: &Tensor<5>| {
        [Lengths::Voxels, Lengths::Axes].map(|by| number(&bending_energy(field, by).unwrap()))
    };
    let field = |f: fn(f64) -> f64| made::<5>(3, &[5, 5, 5], move |_, x| f(x[2]));
    assert_eq!(energy(&field(|_| 1.0)), [0.0, 0.0]);
    assert!(energy(&field(|x| x)).iter().all(|energy| energy.abs() < 1e-12));
    let [voxels, axes] = energy(&field(|x| x * x));
    assert!((voxels - 4.0).abs() < 1e-12 && (axes - 100.0).abs() < 1e-9, "{voxels} {axes}");
    let flat = made::<4>(2, &[5, 5], |_, x| x[1] * x[1]);
    let of = |by| number(&bending_energy(&flat, by).unwrap());
    assert!((of(Lengths::Voxels) - 4.0).abs() < 1e-12 && (of(Lengths::Axes) - 100.0).abs() < 1e-9);
}

/// `u = (a x² + b x y, c y z, d z²)`: the components have the energies `(2a)² + 2 b²`, `2 c²`,
/// `(2d)²`.
#[test]
fn the_bending_energy_of_quadratic_fields_has_its_closed_form() {
    let (a, b, c, d) = (0.3, -0.7, 0.4, 0.2);
    let field = made::<5>(3, &[6, 7, 8], |axis, x| match axis {
        0 => a * x[0] * x[0] + b * x[0] * x[1],
        1 => c * x[1] * x[2],
        _ => d * x[2] * x[2],
    });
    let wanted = (4.0 * a * a + 2.0 * b * b + 2.0 * c * c + 4.0 * d * d) / 3.0;
    let found = number(&bending_energy(&field, Lengths::Voxels).unwrap());
    assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
    // On axes of length 1 the component c of a derivative along a and b counts n_a n_b / n_c times.
    let [n, m, l] = [6.0, 7.0, 8.0];
    let wanted = ((2.0 * a * n).powi(2)
        + 2.0 * (b * m).powi(2)
        + 2.0 * (c * l).powi(2)
        + (2.0 * d * l).powi(2))
        / 3.0;
    let found = number(&bending_energy(&field, Lengths::Axes).unwrap());
    assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
}

#[test]
fn affine_fields_do_not_bend_and_have_the_gradient_of_their_matrix() {
    let matrix = crate::support::tensor(vec![1.2, 0.3, 4.0, -0.4, 0.7, -1.0], [1, 2, 3]);
    let field = affine_field::<4>(matrix, &[6, 8]).unwrap();
    let bend = number(&Penalty::BendingEnergy.of(&field).unwrap());
    assert!(bend.abs() < 1e-20, "{bend}");
    let entries = [0.2, 0.3, -0.4, -0.3];
    let of = |norm| number(&gradient_penalty(&field, norm).unwrap());
    let l1 = entries.iter().map(|e: &f64| e.abs()).sum::<f64>() / 2.0;
    let l2 = entries.iter().map(|e| e * e).sum::<f64>() / 2.0;
    assert!((of(GradientNorm::L1) - l1).abs() < 1e-12);
    assert!((of(GradientNorm::L2) - l2).abs() < 1e-12);
    let by_name = number(&Penalty::GradientL2.of(&field).unwrap());
    assert!((by_name - l2).abs() < 1e-12);
}

#[test]
fn gradients_of_penalties_are_those_of_finite_differences() {
    let field = random::<4>(1, [2, 2, 5, 6]);
    for penalty in [Penalty::BendingEnergy, Penalty::GradientL1, Penalty::GradientL2] {
        assert_gradient(&field, 1e-7, |field| penalty.of(&field).unwrap());
    }
}

/// The correlation of each window from its own voxels, one window after the other.
fn naive_lncc(a: &Tensor<4>, b: &Tensor<4>, window: usize) -> f64 {
    let [rows, columns] = [a.dims()[2], a.dims()[3]];
    let (a, b, reach) = (numbers(a), numbers(b), window / 2);
    let mut sum = 0.0;
    for row in 0..rows {
        for column in 0..columns {
            let near = |at: usize, voxel: usize| at.abs_diff(voxel) <= reach;
            let inside: Vec<usize> = (0..rows * columns)
                .filter(|i| near(row, i / columns) && near(column, i % columns))
                .collect();
            let mean = |x: &[f64]| inside.iter().map(|&i| x[i]).sum::<f64>() / inside.len() as f64;
            let (mean_a, mean_b) = (mean(&a), mean(&b));
            let product = |x: &[f64], mean_x: f64, y: &[f64], mean_y: f64| {
                inside.iter().map(|&i| (x[i] - mean_x) * (y[i] - mean_y)).sum::<f64>()
            };
            let cross = product(&a, mean_a, &b, mean_b);
            let variances = product(&a, mean_a, &a, mean_a) * product(&b, mean_b, &b, mean_b);
            sum += cross * cross / (variances + 1e-5);
        }
    }
    1.0 - sum / (rows * columns) as f64
}

#[test]
fn local_correlation_is_that_of_each_window() {
    let (a, b) = (random::<4>(2, [1, 1, 7, 6]), random::<4>(3, [1, 1, 7, 6]));
    for window in [3, 5, 9, 21] {
        let found = number(&Lncc { window }.loss(a.clone(), b.clone()).unwrap());
        let wanted = naive_lncc(&a, &b, window);
        assert!((found - wanted).abs() < 1e-12, "{window}: {found} {wanted}");
    }
}

#[test]
fn local_correlation_does_not_see_brightness_and_contrast() {
    let (a, b) = (random::<5>(4, [2, 1, 6, 5, 7]), random::<5>(5, [2, 1, 6, 5, 7]));
    let lncc = Lncc { window: 5 };
    let of = |a: Tensor<5>, b: Tensor<5>| number(&lncc.loss(a, b).unwrap());
    let plain = of(a.clone(), b.clone());
    // The constant of the denominator is 1e-5 of variances of about 100 squared.
    let other = of(a.clone().mul_scalar(3.0).add_scalar(100.0), b.mul_scalar(-2.0));
    assert!((plain - other).abs() < 1e-6, "{plain} {other}");
    assert!(of(a.clone(), a.clone().neg()).abs() < 1e-6);
    let flat = of(a.clone(), Tensor::ones_like(&a));
    assert!((flat - 1.0).abs() < 1e-9, "{flat}");
}

#[test]
fn gradients_of_similarities_are_those_of_finite_differences() {
    let (a, b) = (random::<4>(6, [1, 2, 5, 4]), random::<4>(7, [1, 2, 5, 4]));
    let lncc = Lncc { window: 3 };
    assert_gradient(&a, 1e-7, |a| lncc.loss(a, b.clone()).unwrap());
    assert_gradient(&b, 1e-7, |b| lncc.loss(a.clone(), b).unwrap());
    assert_gradient(&a, 1e-7, |a| mean_squared_error(a, b.clone()).unwrap());
    let found = number(&mean_squared_error(a.clone(), a.clone().add_scalar(2.0)).unwrap());
    assert!((found - 4.0).abs() < 1e-12);
}

/// In single precision, rounding leaves a variance in windows without one.
#[test]
fn local_correlation_stays_in_its_range_on_nearly_constant_windows() {
    let single = |x: Tensor<4>| x.cast(burn::tensor::DType::F32);
    let drawn = random::<4>(8, [2, 1, 8, 8]);
    let constant = Tensor::<4>::zeros([1, 1, 24, 24], &device()).add_scalar(-1000.0);
    let patch = |example: usize| {
        let values = single(drawn.clone().narrow(0, example, 1)).mul_scalar(300.0);
        constant.clone().slice_assign([0..1, 0..1, 2..10, 2..10], values)
    };
    let of = |a: Tensor<4>, b: Tensor<4>| number(&Lncc { window: 5 }.loss(a, b).unwrap());
    let (a, b) = (patch(0), patch(1));
    let alike = of(a.clone(), a.clone());
    // 12 x 12 of the 24 x 24 windows have voxels of the patch.
    assert!((alike - 0.75).abs() < 1e-5, "{alike}");
    let other = of(a, b);
    assert!((0.75 - 1e-5..=1.0).contains(&other), "{other}");

    let none = constant.clone().slice_fill([0..1, 0..1, 0..1, 0..1], f32::NAN);
    assert!(of(none, constant).is_nan());

    // Values in 0 to 255: single precision has the loss of double, at any brightness.
    let grey = |seed| random::<4>(seed, [1, 1, 12, 12]).mul_scalar(40.0).add_scalar(128.0);
    let (a, b) = (grey(9).clamp(0.0, 255.0), grey(10).clamp(0.0, 255.0));
    let double = of(a.clone(), b.clone());
    let (a, b) = (single(a), single(b));
    assert!((of(a.clone(), b.clone()) - double).abs() < 1e-5);
    assert!((of(a.add_scalar(1000.0), b) - double).abs() < 1e-4);
}
