//! The covariance between channels against the law's covariance of all elements, reduced by its
//! definition.

use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_evaluation::NoiseCovariance;
use cni_noise::laws::{
    Colored, Covariance, CovarianceFault, Granularity, NoiseKind, NoiseParameters, NoiseScale,
    TensorNoise, TensorShape, White,
};
use cni_noise::{Key, normal_like};

const SCALES: [NoiseScale; 3] = [NoiseScale::Reference, NoiseScale::Relative, NoiseScale::Absolute];
const STD: f64 = 0.7;

fn tensor<const D: usize>(shape: [usize; D], values: &[f64]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&Device::flex(), DType::F64))
}

fn draw<const D: usize>(key: u64, shape: [usize; D]) -> Tensor<D> {
    normal_like(Key::new(key), &Tensor::zeros(shape, (&Device::flex(), DType::F64)), 0)
}

/// Colored noise as training might leave it.
fn colored(scale: NoiseScale, rank: usize, shape: &[usize], axis: usize) -> NoiseParameters {
    let elements = shape.iter().product();
    NoiseParameters {
        scale,
        shape: TensorShape::new(shape, axis),
        vectors: vec![draw(1, [elements]).mul_scalar(0.1)],
        factor: (rank > 0).then(|| draw(2, [elements, rank]).mul_scalar(0.3)),
    }
}

fn noise(law: NoiseKind, parameters: &NoiseParameters, std: Option<f64>) -> TensorNoise {
    TensorNoise::new(&*law, parameters, std, None).unwrap()
}

/// The record of colored noise, and the covariance of all elements.
fn of(rank: usize, parameters: &NoiseParameters) -> (NoiseCovariance, Covariance) {
    let noise = noise(Colored::new(rank).into(), parameters, Some(STD));
    (NoiseCovariance::new("w".into(), &noise), noise.covariance().clone())
}

/// `C[o][p] = 1/m Σ_i cov(w_oi, w_pi)`, each channel's elements by a comparison of indices.
fn by_definition(full: &Covariance, shape: &[usize], axis: usize) -> Vec<Vec<f64>> {
    let n: usize = shape.iter().product();
    let stride: usize = shape[axis + 1..].iter().product();
    let elements = |channel| -> Vec<usize> {
        (0..n).filter(|i| i / stride % shape[axis] == channel).collect()
    };
    let channels: Vec<Vec<usize>> = (0..shape[axis]).map(elements).collect();
    let mean = |a: &[usize], b: &[usize]| {
        a.iter().zip(b).map(|(i, j)| full.at(*i, *j)).sum::<f64>() / a.len() as f64
    };
    channels.iter().map(|a| channels.iter().map(|b| mean(a, b)).collect()).collect()
}

fn assert_close(got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-12, "{got} ≠ {wanted}");
    }
}

fn trace(matrix: &[Vec<f64>]) -> f64 {
    matrix.iter().enumerate().map(|(i, row)| row[i]).sum()
}

#[test]
fn the_covariance_of_colored_noise_is_that_of_all_elements_averaged_over_positions() {
    // Channels first, as a convolution's, last, as a linear layer's, and in between.
    for (shape, axis) in [(vec![4, 3, 2], 0), (vec![3, 5], 1), (vec![2, 4, 3], 1)] {
        let n: usize = shape.iter().product();
        for scale in SCALES {
            for rank in [0, 1, 3] {
                let (found, full) = of(rank, &colored(scale, rank, &shape, axis));
                let wanted = by_definition(&full, &shape, axis);
                assert_close(&found.covariance.concat(), &wanted.concat());

                let stds: Vec<f64> = (0..n).map(|i| full.at(i, i).sqrt()).collect();
                let mean = stds.iter().sum::<f64>() / n as f64;
                let max = stds.into_iter().fold(0.0, f64::max);
                assert_close(
                    &[found.std_mean, found.std_max, found.relative_std.unwrap()],
                    &[mean, max, mean / STD],
                );
                assert_eq!((found.elements, found.channels), (n, shape[axis]));
            }
        }
    }
}

#[test]
fn the_covariance_of_white_noise_is_diagonal_at_each_granularity() {
    let shape = [2, 3, 2];
    let values: Vec<f64> = (1..=12).map(|i| 0.1 * f64::from(i) - 0.5).collect();
    // One amplitude for all, one a channel of axis 1, one an element.
    for (granularity, count, stride) in
        [(Granularity::Layer, 1, 1), (Granularity::Channel, 3, 2), (Granularity::Element, 12, 1)]
    {
        let alpha = &values[..count];
        for scale in SCALES {
            let parameters = NoiseParameters {
                scale,
                shape: TensorShape::new(&shape, 1),
                vectors: vec![tensor([count], alpha)],
                factor: None,
            };
            let noise = noise(White::new(granularity).into(), &parameters, Some(STD));
            let found = NoiseCovariance::new("w".into(), &noise);
            let s = if scale == NoiseScale::Absolute { 1.0 } else { STD };
            let variance = |i: usize| (alpha[i / stride % count] * s).powi(2);
            let full = Covariance::independent((0..12).map(variance).collect());
            let wanted = by_definition(&full, &shape, 1);
            assert_close(&found.covariance.concat(), &wanted.concat());
            let mut diagonal: Vec<f64> = (0..3).map(|i| wanted[i][i]).collect();
            diagonal.sort_by(|a, b| b.total_cmp(a));
            assert_close(&found.eigenvalues, &diagonal);
            assert!(found.factor_eigenvalues.is_empty());
            let amplitude = alpha.iter().map(|a| a.abs()).sum::<f64>() / count as f64;
            assert_close(&[found.amplitude], &[amplitude]);
        }
    }
}

#[test]
fn the_spectra_sum_to_their_traces_and_show_the_rank() {
    for scale in SCALES {
        let mut parameters = colored(scale, 3, &[4, 6], 0);
        let power = |full: &Covariance| (0..24).map(|i| full.at(i, i)).sum::<f64>();
        let (found, full) = of(3, &parameters);
        assert!(found.eigenvalues.is_sorted_by(|a, b| a >= b));
        assert_close(&[found.eigenvalues.iter().sum()], &[trace(&found.covariance)]);
        assert_close(&[found.eigenvalues.iter().sum()], &[power(&full) / 6.0]);

        parameters.vectors[0] = parameters.vectors[0].zeros_like();
        let (found, full) = of(3, &parameters);
        assert_close(&[found.factor_eigenvalues.iter().sum()], &[power(&full)]);
        // Three equal columns are one direction, as before training.
        let column = parameters.factor.take().unwrap().slice([0..24, 0..1]);
        parameters.factor = Some(column.repeat_dim(1, 3));
        let found = of(3, &parameters).0.factor_eigenvalues;
        assert!(found[0] > 0.1 && found[1] < 1e-12 && found.len() == 3, "{found:?}");
    }
}

#[test]
fn more_than_64_channels_are_averaged_in_blocks_of_neighbours() {
    let shape = [131, 2];
    let (found, full) = of(2, &colored(NoiseScale::Reference, 2, &shape, 0));
    // Blocks of three, the last of two.
    let whole = by_definition(&full, &shape, 0);
    let block = |row: usize| 3 * row..(3 * row + 3).min(131);
    let mean = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let size = (rows.len() * columns.len()) as f64;
        rows.flat_map(|row| &whole[row][columns.clone()]).sum::<f64>() / size
    };
    assert_eq!((found.channels, found.covariance.len()), (131, 44));
    for (i, row) in found.covariance.iter().enumerate() {
        let wanted: Vec<f64> = (0..44).map(|j| mean(block(i), block(j))).collect();
        assert_close(row, &wanted);
    }
    assert_close(&[found.eigenvalues.iter().sum()], &[trace(&found.covariance)]);
}

#[test]
fn noise_of_an_input_is_given_for_the_standard_deviation_one() {
    let parameters = colored(NoiseScale::Reference, 1, &[3, 2], 0);
    let of =
        |std| NoiseCovariance::new("a".into(), &noise(Colored::new(1).into(), &parameters, std));
    let (found, one) = (of(None), of(Some(1.0)));
    assert_eq!(found, NoiseCovariance { relative_std: None, ..one });
    let amplitude: f64 = parameters.vectors[0].clone().abs().sqrt().mean().into_scalar();
    assert_close(&[found.amplitude], &[amplitude]);
}

#[test]
fn it_passes_through_json_but_for_digits_beyond_the_fifth() {
    let (found, _) = of(2, &colored(NoiseScale::Relative, 2, &[3, 2], 0));
    let pass = |it: &NoiseCovariance| -> NoiseCovariance {
        serde_json::from_str(&serde_json::to_string(it).unwrap()).unwrap()
    };
    let read = pass(&found);
    for (read, found) in read.covariance.iter().flatten().zip(found.covariance.iter().flatten()) {
        assert!((read - found).abs() <= 5e-5 * found.abs(), "{read} {found}");
    }
    assert_eq!(pass(&read), read);
    assert_eq!(NoiseCovariance { covariance: read.covariance.clone(), ..found }, read);
}

#[test]
fn parameters_that_are_not_finite_are_refused() {
    let new = |alpha, std| {
        let parameters = NoiseParameters {
            scale: NoiseScale::Reference,
            shape: TensorShape::new(&[2], 0),
            vectors: vec![tensor([1], &[alpha])],
            factor: None,
        };
        TensorNoise::new(&White::new(Granularity::Layer), &parameters, Some(std), None)
    };
    for (alpha, std) in [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (0.1, f64::NAN)] {
        let error = new(alpha, std).unwrap_err();
        assert_eq!(error, CovarianceFault::NotFinite);
        assert!(error.to_string().starts_with("got a number that is not finite"), "{error}");
    }
    assert_eq!(NoiseCovariance::new("w".into(), &new(0.1, 0.0).unwrap()).relative_std, None);
}
