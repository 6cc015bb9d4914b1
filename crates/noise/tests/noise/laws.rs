//! Every law of the table against its closed forms: the covariance of many draws, gradients by
//! central differences, no NaN at zero. One file, because every test goes over the same table.

use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use cni_noise::laws::{
    Colored, CovarianceFault, Draws, Granularity, NoiseKind, NoiseParameters, NoiseScale, Rows,
    TensorNoise, TensorShape, White, standard_deviation, standard_deviations,
};
use cni_noise::{Key, normal_like};

const SCALES: [NoiseScale; 3] = [NoiseScale::Reference, NoiseScale::Relative, NoiseScale::Absolute];

fn f64_tensor<const D: usize>(shape: [usize; D], values: &[f64]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&Device::flex(), DType::F64))
}

fn draw<const D: usize>(key: u64, shape: [usize; D]) -> Tensor<D> {
    normal_like(Key::new(key), &Tensor::zeros(shape, (&Device::flex(), DType::F64)), 0)
}

/// Three channels of two elements.
fn shape() -> TensorShape {
    TensorShape::new(&[3, 2], 0)
}

/// Every law at every scale that it has, with parameters as training might leave them: each another
/// one, of either sign.
fn every_law() -> Vec<(NoiseKind, NoiseParameters)> {
    let mut all = Vec::new();
    for law in NoiseKind::all(&shape()) {
        let specs = law.parameters(&shape());
        for scale in SCALES {
            if law.validate(scale, &shape()).is_err() {
                continue;
            }
            let vectors = specs.vectors.iter().zip(20..);
            let vectors = vectors.map(|(v, key)| draw(key, [v.len]).mul_scalar(0.3) + v.initial);
            let factor = specs.factor.map(|f| draw(8, [6, f.rank]).mul_scalar(0.3));
            let vectors = vectors.collect();
            all.push((law.clone(), NoiseParameters { scale, shape: shape(), vectors, factor }));
        }
    }
    all
}

fn draws(law: &NoiseKind, rows: usize) -> Draws {
    let streams = law.draws(6).into_iter().zip(1..);
    Draws::new(streams.map(|(columns, key)| draw(key, [rows, columns])).collect())
}

/// n = 60,000 draws. The standard error of an entry of a Gaussian sample covariance is
/// sqrt((C_ii C_jj + C_ij²) / n), that of the mean sqrt(C_ii / n).
#[test]
fn mean_and_covariance_of_60_000_draws_are_the_closed_form() {
    let n = 60_000;
    let value = draw::<2>(7, [1, 6]);
    let std: f64 = standard_deviation(value.clone()).into_scalar();
    let values: Vec<f64> = value.try_to_vec_as().unwrap();
    for (law, parameters) in every_law() {
        let rows = Rows::new(value.clone().expand([n, 6]), true);
        let noise = law.noise(&parameters, &rows, draws(&law, n));
        let mean: Vec<f64> = noise.clone().mean_dim(0).try_to_vec_as().unwrap();
        let found = noise.clone().transpose().matmul(noise).div_scalar(n as f64);
        let found: Vec<f64> = found.try_to_vec_as().unwrap();
        let host = parameters.read().unwrap();
        let c = law.covariance(&host, std, Some(&values));
        for (i, mean) in mean.into_iter().enumerate() {
            let error = (c.at(i, i) / n as f64).sqrt();
            assert!(mean.abs() < 5.0 * error + 1e-12, "{law:?}: mean {mean} ± {error}");
            for j in 0..6 {
                let error = ((c.at(i, i) * c.at(j, j) + c.at(i, j).powi(2)) / n as f64).sqrt();
                let (got, wanted) = (found[i * 6 + j], c.at(i, j));
                assert!(
                    (got - wanted).abs() < 5.0 * error + 1e-12,
                    "{law:?} {:?} [{i}, {j}]: {got} ≠ {wanted} ± {error}",
                    parameters.scale
                );
            }
        }
    }
}

/// The formulas once more, entry by entry.
#[test]
fn covariances_are_those_of_the_table() {
    let s = 0.7;
    for (law, parameters) in every_law() {
        let host = parameters.read().unwrap();
        let values = [0.5, -0.4, 0.0, 2.0, 1.0, -1.5];
        let found = law.covariance(&host, s, Some(&values));
        let [reference, relative] =
            [NoiseScale::Reference, NoiseScale::Relative].map(|scale| parameters.scale == scale);
        let entry = |v: &Vec<f64>, i: usize| match v.len() {
            1 => v[0],
            3 => v[i / 2],
            _ => v[i],
        };
        for (i, j) in (0..6).flat_map(|i| (0..6).map(move |j| (i, j))) {
            let wanted = if law.downcast_ref::<White>().is_some() {
                let s = if reference || relative { s } else { 1.0 };
                if i == j { (entry(&host.vectors[0], i) * s).powi(2) } else { 0.0 }
            } else if let Some(&Colored { rank, .. }) = law.downcast_ref() {
                let f = |i: usize, k: usize| host.factor[i * rank + k];
                let shared: f64 = (0..rank).map(|k| f(i, k) * f(j, k)).sum();
                let own = if i == j { host.vectors[0][i].abs() } else { 0.0 };
                match parameters.scale {
                    NoiseScale::Reference => s * own + shared,
                    NoiseScale::Relative => s * s * (own + shared),
                    NoiseScale::Absolute => own + shared,
                }
            } else {
                // Other laws compare with their own formula in their own file.
                continue;
            };
            let got = found.at(i, j);
            assert!((got - wanted).abs() < 1e-12, "{law:?} [{i}, {j}]: {got} ≠ {wanted}");
        }
    }
}

/// An activation's covariance is that for elements of mean square s².
#[test]
fn a_covariance_without_values_is_that_of_elements_of_their_root_mean_square() {
    let values: Vec<f64> = [1.0, -1.0, 1.0, 1.0, -1.0, -1.0].map(|sign| sign * 0.7).to_vec();
    for (law, parameters) in every_law() {
        let host = parameters.read().unwrap();
        let without = law.covariance(&host, 0.7, None);
        let with = law.covariance(&host, 0.7, Some(&values));
        for (i, j) in (0..6).flat_map(|i| (0..6).map(move |j| (i, j))) {
            assert!((without.at(i, j) - with.at(i, j)).abs() < 1e-12, "{law:?}");
        }
    }
}

/// Also where the covariance does not depend on it, as that of multiplicative noise does not on its
/// mean.
#[test]
fn noise_with_a_parameter_that_is_not_finite_is_refused() {
    let values = [0.5, -0.4, 0.0, 2.0, 1.0, -1.5];
    let of = |law: &NoiseKind, parameters: &NoiseParameters| {
        TensorNoise::new(&**law, parameters, Some(0.7), Some(&values))
    };
    for (law, parameters) in every_law() {
        assert!(of(&law, &parameters).is_ok(), "{law:?}");
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut spoiled = Vec::new();
            for (k, vector) in parameters.vectors.iter().enumerate() {
                let mut parameters = parameters.clone();
                parameters.vectors[k] = vector.clone().slice_fill(0..1, bad);
                spoiled.push(parameters);
            }
            let factor = parameters.factor.clone().map(|f| f.slice_fill([0..1, 0..1], bad));
            if factor.is_some() {
                spoiled.push(NoiseParameters { factor, ..parameters.clone() });
            }
            for parameters in spoiled {
                let found = of(&law, &parameters);
                assert_eq!(found, Err(CovarianceFault::NotFinite), "{law:?} with {bad}");
            }
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

fn gradient<const D: usize>(x: &Tensor<D>, f: &impl Fn(Tensor<D>) -> Tensor<1>) -> TensorData {
    let leaf = x.clone().autodiff().require_grad();
    leaf.grad(&f(leaf.clone()).backward()).expect("the law depends on it").into_data()
}

fn assert_gradient<const D: usize>(x: &Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<1>) {
    gradient(x, &f).assert_approx_eq::<f64>(&numeric(x, f), Tolerance::rel_abs(1e-6, 1e-8));
}

/// Two noisy rows, summed with fixed weights.
fn noisy_sum(value: Tensor<2>, law: &NoiseKind, parameters: &NoiseParameters) -> Tensor<1> {
    let noise = law.noise(parameters, &Rows::new(value.clone(), false), draws(law, 1));
    ((law.mean(parameters, value) + noise) * draw(6, [2, 6])).sum()
}

#[test]
fn gradients_agree_with_central_differences() {
    let value = draw::<2>(7, [2, 6]);
    for (law, parameters) in every_law() {
        let of_value = |value| noisy_sum(value, &law, &parameters);
        // At the reference's scale the standard deviation of white noise is a constant of the
        // backward pass, which differences cannot hold.
        if law.downcast_ref::<White>().is_some() && parameters.scale == NoiseScale::Reference {
            gradient(&value, &of_value).assert_eq(&draw::<2>(6, [2, 6]).into_data(), true);
        } else {
            assert_gradient(&value, of_value);
        }
        for (k, vector) in parameters.vectors.iter().enumerate() {
            assert_gradient(vector, |moved| {
                let mut parameters = parameters.clone();
                parameters.vectors[k] = moved;
                noisy_sum(value.clone(), &law, &parameters)
            });
        }
        if let Some(factor) = &parameters.factor {
            assert_gradient(factor, |moved| {
                let parameters = NoiseParameters { factor: Some(moved), ..parameters.clone() };
                noisy_sum(value.clone(), &law, &parameters)
            });
        }
    }
}

#[test]
fn gradients_are_finite_where_the_variance_is_zero() {
    let constant = f64_tensor([2, 6], &[0.1; 12]);
    for (law, mut parameters) in every_law() {
        for value in [constant.clone(), constant.zeros_like(), draw(7, [2, 6])] {
            for vector in &mut parameters.vectors {
                *vector = vector.clone().inner().zeros_like().autodiff().require_grad();
            }
            let value = value.autodiff().require_grad();
            let gradients = noisy_sum(value.clone(), &law, &parameters).backward();
            let of_value = value.grad(&gradients).map(|slope| slope.reshape([12]));
            let slopes = parameters.vectors.iter().map(|vector| vector.grad(&gradients));
            for slope in slopes.chain([of_value]).flatten() {
                let slope: Vec<f64> = slope.try_to_vec_as().unwrap();
                assert!(slope.iter().all(|g| g.is_finite()), "{law:?}: {slope:?}");
            }
        }
    }
    let single: f64 = standard_deviation(f64_tensor([1], &[3.0])).into_scalar();
    assert_eq!(single, 0.0);
}

/// Sums of these values are rounded, so that their mean is another value.
#[test]
fn the_standard_deviation_of_equal_values_is_zero_and_hides_nothing() {
    let std = |values: Vec<f64>, n: usize, dtype: DType| {
        let data = TensorData::new(values, [2, n]);
        let rows = Tensor::<2>::from_data(data, (&Device::flex(), dtype));
        standard_deviations(rows).try_to_vec_as::<f64>().unwrap()
    };
    for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
        for n in [1, 784, 3_072] {
            for value in [0.1, -0.4242, 1.1] {
                let mut values = vec![value; 2 * n];
                values[n..].fill(-value);
                assert_eq!(std(values.clone(), n, dtype), [0.0, 0.0], "{dtype:?}: {n} of {value}");
                // Others beside them are not taken for equal.
                values[2 * n - 1] = 2.0 * value;
                let [first, second] = std(values, n, dtype)[..] else { panic!("two rows") };
                let wanted = if n == 1 { 0.0 } else { 3.0 * value.abs() / (n as f64).sqrt() };
                let close = first == 0.0 && (second - wanted).abs() <= 0.01 * wanted;
                assert!(close, "{dtype:?}: {n} of {value}: {first}, {second}");
            }
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let found = std(vec![value; 2 * n], n, dtype);
                assert!(found.iter().all(|std| std.is_nan()), "{dtype:?}: {n} of {value}");
            }
        }
    }
}

/// Their number and the sum of their squares are beyond the range of half precision.
#[test]
fn the_standard_deviation_of_many_values_in_half_precision_is_theirs() {
    for dtype in [DType::F16, DType::BF16] {
        for scale in [0.02, 1.0] {
            let values = draw::<2>(7, [512, 512]).mul_scalar(scale).cast(dtype);
            let std = standard_deviation(values.clone());
            assert_eq!(std.dtype(), dtype);
            let std = std.try_to_vec_as::<f64>().unwrap()[0];
            let wanted: f64 = standard_deviation(values.cast(DType::F64)).into_scalar();
            let epsilon = dtype.finfo().unwrap().epsilon;
            assert!((std - wanted).abs() < epsilon * wanted, "{dtype:?}: {std}, not {wanted}");
        }
    }
}

#[test]
#[should_panic(expected = "draws: got 1, wanted 2")]
fn a_factor_without_shared_draws_is_refused_and_not_dropped() {
    let law = NoiseKind::from(Colored::new(2));
    let parameters = NoiseParameters {
        scale: NoiseScale::Reference,
        shape: TensorShape::new(&[6], 0),
        vectors: vec![draw(1, [6])],
        factor: Some(draw(2, [6, 2])),
    };
    let rows = Rows::new(draw(3, [1, 6]), false);
    law.noise(&parameters, &rows, Draws::new(vec![draw(4, [1, 6])]));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let white = White { granularity: Granularity::Layer, alpha: f64::INFINITY };
    let colored = Colored { factor: f64::NAN, ..Colored::new(1) };
    let cases: [(NoiseKind, &str); 3] = [
        (white.into(), "alpha: got inf, wanted a finite number"),
        (Colored::new(7).into(), "rank: got 7, wanted at most its 6 elements"),
        (colored.into(), "factor: got NaN, wanted a finite number"),
    ];
    for (law, message) in cases {
        let error = law.validate(NoiseScale::Relative, &shape()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

/// As saved by versions that had a law's settings in the enum itself.
#[test]
fn laws_and_scales_of_before_are_read() {
    let read = |text: &str| serde_json::from_str::<NoiseKind>(text).unwrap();
    let white = read(r#"{"white":{"granularity":"channel","alpha":0.5}}"#);
    assert_eq!(white, White { granularity: Granularity::Channel, alpha: 0.5 }.into());
    let text = r#"{"colored":{"rank":5,"diagonal":0.0625,"factor":0.01}}"#;
    assert_eq!(read(text), Colored::new(5).into());
    assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
    let scale = |text: &str| serde_json::from_str::<NoiseScale>(text).unwrap();
    assert_eq!(scale("\"scaled\""), NoiseScale::Relative);
    for scale in SCALES {
        assert_eq!(serde_json::to_string(&scale).unwrap(), format!("\"{scale}\""));
    }
}
