//! The covariance between channels against the law's covariance of all elements, reduced by its
//! definition.

use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_noise::law::{Colored, white_covariance};
use cni_noise::{Convention, Key, NoiseCovariance, Parameters, normal_like};

const CONVENTIONS: [Convention; 2] = [Convention::Reference, Convention::Scaled];
const STD: f64 = 0.7;

fn tensor<const D: usize>(shape: [usize; D], values: &[f64]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&Device::flex(), DType::F64))
}

fn draw<const D: usize>(key: u64, shape: [usize; D]) -> Tensor<D> {
    normal_like(Key::new(key), &Tensor::zeros(shape, (&Device::flex(), DType::F64)), 0)
}

fn colored(convention: Convention, elements: usize, rank: usize) -> Colored {
    Colored {
        diagonal: draw(1, [elements]).mul_scalar(0.1),
        factor: (rank > 0).then(|| draw(2, [elements, rank]).mul_scalar(0.3)),
        convention,
    }
}

fn of(parameters: &Parameters, shape: &[usize], axis: usize) -> NoiseCovariance {
    NoiseCovariance::new("w".into(), "law".into(), parameters, shape, axis, Some(STD)).unwrap()
}

/// `C[o][p] = 1/m Σ_i cov(w_oi, w_pi)`, each channel's elements by a comparison of indices.
fn by_definition(full: &Tensor<2>, shape: &[usize], axis: usize) -> Vec<Vec<f64>> {
    let n: usize = shape.iter().product();
    let full: Vec<f64> = full.try_to_vec_as().unwrap();
    let stride: usize = shape[axis + 1..].iter().product();
    let elements = |channel| -> Vec<usize> {
        (0..n).filter(|i| i / stride % shape[axis] == channel).collect()
    };
    let channels: Vec<Vec<usize>> = (0..shape[axis]).map(elements).collect();
    let mean = |a: &[usize], b: &[usize]| {
        a.iter().zip(b).map(|(i, j)| full[i * n + j]).sum::<f64>() / a.len() as f64
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
        let n = shape.iter().product();
        for convention in CONVENTIONS {
            for rank in [0, 1, 3] {
                let law = colored(convention, n, rank);
                let found = of(&Parameters::Colored(law.clone()), &shape, axis);
                let wanted = by_definition(&law.covariance(STD), &shape, axis);
                assert_close(&found.covariance.concat(), &wanted.concat());

                let stds: Vec<f64> = law.variance(STD).sqrt().try_to_vec_as().unwrap();
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
    for (count, stride) in [(1, 1), (3, 2), (12, 1)] {
        let alpha = &values[..count];
        let each: Vec<f64> = (0..12).map(|i| alpha[i / stride % count]).collect();
        for convention in CONVENTIONS {
            let parameters =
                Parameters::White { alpha: tensor([count], alpha), stride, convention };
            let found = of(&parameters, &shape, 1);
            let full = white_covariance(tensor([12], &each), STD);
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
    let (shape, n) = ([4, 6], 24);
    for convention in CONVENTIONS {
        let mut law = colored(convention, n, 3);
        let found = of(&Parameters::Colored(law.clone()), &shape, 0);
        assert!(found.eigenvalues.is_sorted_by(|a, b| a >= b));
        assert_close(&[found.eigenvalues.iter().sum()], &[trace(&found.covariance)]);
        let power: f64 = law.variance(STD).sum().into_scalar();
        assert_close(&[found.eigenvalues.iter().sum()], &[power / 6.0]);

        law.diagonal = law.diagonal.zeros_like();
        let power: f64 = law.variance(STD).sum().into_scalar();
        assert_close(&[found.factor_eigenvalues.iter().sum()], &[power]);
        // Three equal columns are one direction, as before training.
        let column = law.factor.take().unwrap().slice([0..n, 0..1]);
        law.factor = Some(column.repeat_dim(1, 3));
        let found = of(&Parameters::Colored(law), &shape, 0).factor_eigenvalues;
        assert!(found[0] > 0.1 && found[1] < 1e-12 && found.len() == 3, "{found:?}");
    }
}

#[test]
fn more_than_64_channels_are_averaged_in_blocks_of_neighbours() {
    let (shape, n) = ([131, 2], 262);
    let law = colored(Convention::Reference, n, 2);
    let found = of(&Parameters::Colored(law.clone()), &shape, 0);
    // Blocks of three, the last of two.
    let whole = by_definition(&law.covariance(STD), &shape, 0);
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
    let law = colored(Convention::Reference, 6, 1);
    let parameters = Parameters::Colored(law.clone());
    let new = |std| NoiseCovariance::new("a".into(), "law".into(), &parameters, &[3, 2], 0, std);
    let (found, one) = (new(None).unwrap(), new(Some(1.0)).unwrap());
    assert_eq!(found, NoiseCovariance { relative_std: None, ..one });
    let amplitude: f64 = law.diagonal.abs().sqrt().mean().into_scalar();
    assert_close(&[found.amplitude], &[amplitude]);
}

#[test]
fn it_passes_through_json_but_for_digits_beyond_the_fifth() {
    let found = of(&Parameters::Colored(colored(Convention::Scaled, 6, 2)), &[3, 2], 0);
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
    let white = |alpha| Parameters::White {
        alpha: tensor([1], &[alpha]),
        stride: 1,
        convention: Convention::Reference,
    };
    let new =
        |alpha, std| NoiseCovariance::new("w".into(), "white".into(), &white(alpha), &[2], 0, std);
    for (alpha, std) in [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (0.1, f64::NAN)] {
        let error = new(alpha, Some(std)).unwrap_err().to_string();
        assert!(error.starts_with("w: got a number that is not finite"), "{error}");
    }
    assert_eq!(new(0.1, Some(0.0)).unwrap().relative_std, None);
}
