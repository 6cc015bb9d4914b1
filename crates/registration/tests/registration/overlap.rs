//! Overlaps of labels, hard and at several scales.

use crate::support::{assert_gradient, made, number, numbers, random};
use burn::tensor::Tensor;
use cni_registration::losses::{BlurKernel, MultiScaleDice, dice};

fn disc(center: [f64; 2], radius: f64) -> Tensor<4> {
    made(1, &[160, 200], move |_, x| {
        f64::from((x[0] - center[0]).hypot(x[1] - center[1]) <= radius)
    })
}

/// Two discs of radius r at a distance d share a lens of the area
/// `2 r² acos(d / 2r) − d √(4 r² − d²) / 2`. A disc of 50 voxels is off by a share of a voxel along
/// its outline: the bound is 0.5 %.
#[test]
fn the_overlap_of_two_discs_is_the_area_of_their_lens() {
    let r = 50.0_f64;
    for d in [0.0, 10.3, 40.0, 77.7, 95.0] {
        let (a, b) = (disc([79.2, 60.4], r), disc([79.2, 60.4 + d], r));
        let lens = 2.0 * r * r * (d / (2.0 * r)).acos() - d / 2.0 * (4.0 * r * r - d * d).sqrt();
        let wanted = lens / (std::f64::consts::PI * r * r);
        let hard = dice(&a, &b).unwrap()[0][0];
        assert!((hard - wanted).abs() < 0.005, "{d}: {hard} {wanted}");
        // Without a blur the loss is 1 less this overlap.
        let plain = MultiScaleDice { sigmas: vec![0.0], kernel: BlurKernel::Gaussian };
        let loss = number(&plain.loss(a, b).unwrap());
        assert!((loss - (1.0 - hard)).abs() < 1e-6, "{loss} {hard}");
    }
    assert_eq!(dice(&disc([40.0, 40.0], 9.0), &disc([90.0, 90.0], 9.0)).unwrap(), [[0.0]]);
}

/// The sums of the definition, voxel by voxel, with kernels of two dimensions.
fn naive(a: &Tensor<4>, b: &Tensor<4>, sigma: f64, cauchy: bool) -> f64 {
    let [rows, columns] = [a.dims()[2], a.dims()[3]];
    let tail = (if cauchy { 5.0 * sigma } else { 3.0 * sigma }) as i64;
    let weight = |d: i64| {
        let square = (d as f64 / sigma).powi(2);
        if cauchy { 1.0 / (1.0 + square) } else { (-square / 2.0).exp() }
    };
    let total: f64 = (-tail..=tail).map(weight).sum();
    let blur = |x: &[f64]| -> Vec<f64> {
        let at = |row: i64, column: i64| {
            let inside = (0..rows as i64).contains(&row) && (0..columns as i64).contains(&column);
            if inside { x[row as usize * columns + column as usize] } else { 0.0 }
        };
        let voxel = |number: usize| {
            let (row, column) = ((number / columns) as i64, (number % columns) as i64);
            let mut sum = 0.0;
            for i in -tail..=tail {
                for j in -tail..=tail {
                    sum += weight(i) * weight(j) * at(row + i, column + j);
                }
            }
            sum / (total * total)
        };
        (0..rows * columns).map(voxel).collect()
    };
    let (a, b) = match sigma {
        0.0 => (numbers(a), numbers(b)),
        _ => (blur(&numbers(a)), blur(&numbers(b))),
    };
    let both: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
    1.0 - 2.0 * both / (a.iter().sum::<f64>() + b.iter().sum::<f64>() + 1e-6)
}

#[test]
fn the_loss_is_the_mean_over_scales_of_its_definition() {
    let label = |seed| random::<4>(seed, [1, 1, 9, 7]).greater_elem(0.5).float();
    let label = |seed| -> Tensor<4> { label(seed).cast(burn::tensor::DType::F64) };
    let (a, b) = (label(1), label(2));
    for kernel in [BlurKernel::Gaussian, BlurKernel::Cauchy] {
        let sigmas = [0.0, 0.6, 1.0, 2.0];
        let terms = sigmas.map(|sigma| naive(&a, &b, sigma, kernel == BlurKernel::Cauchy));
        let loss = MultiScaleDice { sigmas: sigmas.to_vec(), kernel };
        let found = number(&loss.loss(a.clone(), b.clone()).unwrap());
        let wanted = terms.iter().sum::<f64>() / 4.0;
        assert!((found - wanted).abs() < 1e-12, "{kernel:?}: {found} {wanted}");
    }
}

/// Labels that do not meet have no gradient without a blur, and are drawn together by a wide one.
#[test]
fn a_wide_blur_makes_distant_labels_attract_each_other() {
    let square = |column: f64| {
        made::<4>(1, &[16, 24], move |_, x| {
            f64::from((x[0] - 8.0).abs() < 3.0 && (x[1] - column).abs() < 3.0)
        })
    };
    let at = |sigma: f64, column: f64| {
        let loss = MultiScaleDice { sigmas: vec![sigma], kernel: BlurKernel::Gaussian };
        number(&loss.loss(square(4.0), square(column)).unwrap())
    };
    assert_eq!(at(0.0, 18.0), at(0.0, 16.0));
    assert!(at(4.0, 16.0) < at(4.0, 18.0));
}

#[test]
fn labels_and_examples_count_alike() {
    let all = random::<4>(3, [2, 3, 8, 8]).greater_elem(0.0).float();
    let other = random::<4>(4, [2, 3, 8, 8]).greater_elem(0.0).float();
    let loss = MultiScaleDice::default();
    let whole = f64::from(loss.loss(all.clone(), other.clone()).unwrap().into_scalar::<f32>());
    let mut sum = 0.0;
    for example in 0..2 {
        for label in 0..3 {
            let of = |x: &Tensor<4>| x.clone().narrow(0, example, 1).narrow(1, label, 1);
            sum += f64::from(loss.loss(of(&all), of(&other)).unwrap().into_scalar::<f32>());
        }
    }
    assert!((whole - sum / 6.0).abs() < 1e-6, "{whole} {sum}");
    assert_eq!(dice(&all, &all).unwrap(), vec![vec![1.0; 3]; 2]);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let uniform = |seed| random::<4>(seed, [1, 2, 5, 6]).sin().add_scalar(1.0).mul_scalar(0.5);
    let (a, b) = (uniform(5), uniform(6));
    let loss = MultiScaleDice::default();
    assert_gradient(&b, 1e-8, |b| loss.loss(a.clone(), b).unwrap());
}
