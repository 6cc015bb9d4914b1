//! The laws against their closed forms: covariance of many draws, gradients by central differences,
//! no NaN at zero.

use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use cni_noise::law::{Colored, standard_deviation, white, white_covariance};
use cni_noise::{Convention, Key, normal_like};

const CONVENTIONS: [Convention; 2] = [Convention::Reference, Convention::Scaled];

fn f64_tensor<const D: usize>(shape: [usize; D], values: &[f64]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&Device::flex(), DType::F64))
}

fn draw<const D: usize>(key: u64, shape: [usize; D]) -> Tensor<D> {
    normal_like(Key::new(key), &Tensor::zeros(shape, (&Device::flex(), DType::F64)), 0)
}

fn law(convention: Convention, rank: usize) -> Colored {
    Colored {
        diagonal: f64_tensor([4], &[0.06, -0.1, 0.02, 0.3]),
        factor: (rank > 0).then(|| draw(8, [4, rank]).mul_scalar(0.3)),
        convention,
    }
}

/// The standard error of an entry of a Gaussian sample covariance is sqrt((C_ii C_jj + C_ij²) / n).
fn assert_covariance(sample: Tensor<2>, expected: Tensor<2>) {
    let [n, d] = sample.dims();
    let found = sample.clone().transpose().matmul(sample).div_scalar(n as f64);
    let found: Vec<f64> = found.try_to_vec_as().unwrap();
    let c: Vec<f64> = expected.try_to_vec_as().unwrap();
    for i in 0..d {
        for j in 0..d {
            let error = ((c[i * d + i] * c[j * d + j] + c[i * d + j].powi(2)) / n as f64).sqrt();
            let (got, wanted) = (found[i * d + j], c[i * d + j]);
            assert!(
                (got - wanted).abs() < 5.0 * error + 1e-12,
                "[{i}, {j}]: {got} ≠ {wanted} ± {error}"
            );
        }
    }
}

#[test]
fn covariance_of_60_000_colored_draws_is_the_closed_form() {
    let n = 60_000;
    for convention in CONVENTIONS {
        for rank in [0, 1, 2, 5] {
            let law = law(convention, rank);
            let std = f64_tensor([1, 1], &[0.7]);
            let noise =
                law.clone().noise(std, draw(1, [n, 4]), (rank > 0).then(|| draw(2, [n, rank])));
            assert_covariance(noise, law.covariance(0.7));
        }
    }
}

#[test]
fn covariance_of_60_000_white_draws_is_the_closed_form() {
    let alpha = f64_tensor([3], &[0.25, -0.5, 0.0]);
    let noise =
        white(alpha.clone().unsqueeze::<2>(), f64_tensor([1, 1], &[1.3]), draw(3, [60_000, 3]));
    assert_covariance(noise, white_covariance(alpha, 1.3));
}

/// v = (1, 2, 3, 4): s = 1.290994; a = 0.0625 gives the diagonal variance 0.080687 and F = 0.01 of
/// rank 5 adds 5e-4.
#[test]
fn covariance_of_the_hand_worked_example() {
    let s = standard_deviation(f64_tensor([2, 2], &[1.0, 2.0, 3.0, 4.0]));
    let s: f64 = s.into_scalar();
    assert!((s - 1.290_994_448_735_806).abs() < 1e-12);
    let law = Colored {
        diagonal: f64_tensor([4], &[0.0625; 4]),
        factor: Some(f64_tensor([4, 5], &[0.01; 20])),
        convention: Convention::Reference,
    };
    let variance = 0.0625 * s + 5e-4;
    let mut expected = vec![5e-4; 16];
    (0..4).for_each(|i| expected[5 * i] = variance);
    law.covariance(s)
        .into_data()
        .assert_approx_eq::<f64>(&TensorData::new(expected, [4, 4]), Tolerance::absolute(1e-12));
    law.variance(s)
        .into_data()
        .assert_approx_eq::<f64>(&TensorData::from([variance; 4]), Tolerance::absolute(1e-12));
}

#[test]
fn the_variance_is_the_diagonal_of_the_covariance() {
    for convention in CONVENTIONS {
        for rank in [0, 3] {
            let law = law(convention, rank);
            let covariance: Vec<f64> = law.covariance(0.4).try_to_vec_as().unwrap();
            let diagonal: Vec<f64> = covariance.into_iter().step_by(5).collect();
            law.variance(0.4).into_data().assert_approx_eq::<f64>(
                &TensorData::from(&diagonal[..]),
                Tolerance::absolute(1e-12),
            );
        }
    }
}

/// The gradient of `f` at `x` by central differences.
fn numeric<const D: usize>(x: &Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<1>) -> TensorData {
    let (shape, h) = (x.shape(), 1e-6);
    let values: Vec<f64> = x.try_to_vec_as().unwrap();
    let at = |i: usize, step: f64| -> f64 {
        let mut values = values.clone();
        values[i] += step;
        let moved = TensorData::new(values, shape.clone());
        f(Tensor::from_data(moved, (&Device::flex(), DType::F64))).into_scalar()
    };
    let slopes: Vec<f64> = (0..values.len()).map(|i| (at(i, h) - at(i, -h)) / (2.0 * h)).collect();
    TensorData::new(slopes, shape)
}

fn assert_gradient<const D: usize>(x: &Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<1>) {
    let leaf = x.clone().autodiff().require_grad();
    let gradient = leaf.grad(&f(leaf.clone()).backward()).expect("the law depends on it");
    gradient.into_data().assert_approx_eq::<f64>(&numeric(x, f), Tolerance::rel_abs(1e-6, 1e-8));
}

/// A tensor plus its colored noise, summed with fixed weights.
fn noisy_sum(value: Tensor<2>, law: Colored) -> Tensor<1> {
    let std = standard_deviation(value.clone()).unsqueeze::<2>();
    let rank = law.factor.as_ref().map(|f| f.dims()[1]);
    let noise = law.noise(std, draw(4, [1, 4]), rank.map(|r| draw(5, [1, r])));
    ((value + noise.reshape([2, 2])) * draw(6, [2, 2])).sum()
}

#[test]
fn colored_gradients_agree_with_central_differences() {
    let value = draw(7, [2, 2]);
    for convention in CONVENTIONS {
        for rank in [0, 2] {
            let law = law(convention, rank);
            assert_gradient(&value, |value| noisy_sum(value, law.clone()));
            assert_gradient(&law.diagonal, |diagonal| {
                noisy_sum(value.clone(), Colored { diagonal, ..law.clone() })
            });
            if let Some(factor) = &law.factor {
                assert_gradient(factor, |factor| {
                    noisy_sum(value.clone(), Colored { factor: Some(factor), ..law.clone() })
                });
            }
        }
    }
}

#[test]
fn white_gradients_agree_with_central_differences() {
    let (value, alpha) = (draw(7, [2, 2]), draw(9, [2, 2]));
    let sum = |value: Tensor<2>, alpha: Tensor<2>, std: Tensor<1>| {
        ((value + white(alpha, std.unsqueeze(), draw(4, [2, 2]))) * draw(6, [2, 2])).sum()
    };
    assert_gradient(&alpha, |alpha| sum(value.clone(), alpha, standard_deviation(value.clone())));
    assert_gradient(&value, |value| {
        sum(value.clone(), alpha.clone(), Convention::Scaled.white_std(&value))
    });
    // In the reference convention the standard deviation is a constant of the backward pass.
    let leaf = value.clone().autodiff().require_grad();
    let loss = sum(leaf.clone(), alpha.clone(), Convention::Reference.white_std(&leaf));
    let gradient = leaf.grad(&loss.backward()).unwrap();
    gradient.into_data().assert_eq(&draw::<2>(6, [2, 2]).into_data(), true);
}

#[test]
fn gradients_are_finite_where_the_variance_is_zero() {
    let zero = f64_tensor([2, 2], &[0.5; 4]).autodiff().require_grad();
    for convention in CONVENTIONS {
        let diagonal = f64_tensor([4], &[0.0, 0.0, 0.1, 0.1]).autodiff().require_grad();
        let law = Colored { diagonal: diagonal.clone(), ..law(convention, 2) };
        let spread = (zero.clone() * f64_tensor([2, 2], &[1.0, 2.0, 3.0, 4.0])).detach();
        for value in [zero.clone(), spread] {
            let loss = noisy_sum(value, law.clone());
            let gradients = loss.backward();
            let slopes = [diagonal.grad(&gradients), zero.grad(&gradients).map(|g| g.reshape([4]))];
            for slope in slopes.into_iter().flatten() {
                let slope: Vec<f64> = slope.try_to_vec_as().unwrap();
                assert!(slope.iter().all(|g| g.is_finite()), "{convention:?}: {slope:?}");
            }
        }
    }
    let single: f64 = standard_deviation(f64_tensor([1], &[3.0])).into_scalar();
    assert_eq!(single, 0.0);
}

#[test]
#[should_panic(expected = "shared: got none for a law with a factor, wanted shared draws exactly")]
fn a_factor_without_shared_draws_is_refused_and_not_dropped() {
    let device = Device::flex();
    let law = Colored {
        diagonal: Tensor::ones([3], &device),
        factor: Some(Tensor::ones([3, 2], &device)),
        convention: Convention::Reference,
    };
    law.noise(Tensor::ones([1, 1], &device), Tensor::ones([1, 3], &device), None);
}
