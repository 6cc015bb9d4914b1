//! The covariance of a tensor's noise, small enough to look at.

use cni_noise::laws::TensorNoise;
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// The most rows that [`NoiseCovariance::covariance`] has.
const ROWS: usize = 64;

/// The noise that one tensor has learned: its size, its covariance between channels and its
/// spectrum.
///
/// All follows from the parameters by the closed forms of the [laws](cni_noise::laws), without a
/// draw. The noise of a weight is in the units of the weight. That of an activation depends on the
/// layer's input, so it is given for an input of standard deviation 1;
/// [`relative_std`](Self::relative_std) is absent there and says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseCovariance {
    /// The path of the weight, or of the activation noise layer.
    pub path: String,
    /// The law: `white`, or `colored` with its rank.
    pub law: String,
    /// Elements of the tensor; of an activation those of one example.
    pub elements: usize,
    /// Channels: output channels of a weight, channels of an activation.
    pub channels: usize,
    /// The learned amplitude, free of `s`: the mean of `|α|` for white noise, of `√|a|` for colored
    /// noise.
    pub amplitude: f64,
    /// The standard deviation of an element's noise, mean over the elements.
    pub std_mean: f64,
    /// The largest standard deviation of an element's noise.
    pub std_max: f64,
    /// `std_mean` over the standard deviation of the weight's elements. Absent for an activation
    /// and for a weight whose elements are all equal.
    pub relative_std: Option<f64>,
    /// The covariance between channels, mean over the `m` positions within a channel, with `w_oi`
    /// the noise of channel `o` at position `i`: `C[o][p] = 1/m Σ_i cov(w_oi, w_pi)`, a symmetric
    /// matrix.
    ///
    /// A row is a channel. Above 64 channels it is a block of `⌈channels / 64⌉` neighbours, the
    /// last one perhaps smaller, and an entry is the mean of `C` over the pairs of channels of its
    /// two blocks. Written down with five digits.
    #[serde(serialize_with = "with_five_digits")]
    pub covariance: Vec<Vec<f64>>,
    /// The eigenvalues of `covariance`, descending. They sum to its trace: up to 64 channels the
    /// mean over the positions of the noise's power in all channels.
    pub eigenvalues: Vec<f64>,
    /// The eigenvalues, descending, that the low-rank part `F Fᵀ` of the covariance of all elements
    /// has besides zeros: as many as `F` has columns. Empty for white noise and for rank 0.
    pub factor_eigenvalues: Vec<f64>,
}

/// Enough for a picture, at a third of the length.
fn with_five_digits<S: Serializer>(matrix: &[Vec<f64>], to: S) -> Result<S::Ok, S::Error> {
    let short = |value: &f64| format!("{value:.4e}").parse().unwrap_or(*value);
    to.collect_seq(matrix.iter().map(|row| row.iter().map(short).collect::<Vec<f64>>()))
}

impl NoiseCovariance {
    /// The record of the noise of the tensor at a path.
    ///
    /// Costs time in proportion to `channels · elements · rank`, with no more than 64 channels
    /// counted, and memory in proportion to `elements · rank`.
    pub fn new(path: String, noise: &TensorNoise) -> Self {
        let (law, covariance, shape) = (noise.law(), noise.covariance(), noise.shape());
        let (elements, own) = (covariance.elements(), &covariance.diagonal);
        let factor = DMatrix::from_row_slice(elements, covariance.rank, &covariance.factor);
        let stds: Vec<f64> = own
            .iter()
            .zip(factor.row_iter())
            .map(|(v, row)| (v + row.norm_squared()).sqrt())
            .collect();
        let std_mean = stds.iter().sum::<f64>() / elements as f64;
        let between = between_channels(own, &factor, shape.channels(), shape.stride());
        Self {
            path,
            law: law.to_string(),
            elements,
            channels: shape.channels(),
            amplitude: noise.amplitude(),
            std_mean,
            std_max: stds.into_iter().fold(0.0, f64::max),
            relative_std: noise.std().filter(|std| *std > 0.0).map(|std| std_mean / std),
            eigenvalues: eigenvalues(between.clone()),
            covariance: between.row_iter().map(|row| row.iter().copied().collect()).collect(),
            factor_eigenvalues: eigenvalues(factor.tr_mul(&factor)),
        }
    }

    /// The records of a model's noise, as `cni_layers::noise_covariances` gives it.
    pub fn of(noises: impl IntoIterator<Item = (String, TensorNoise)>) -> Vec<Self> {
        noises.into_iter().map(|(path, noise)| Self::new(path, &noise)).collect()
    }
}

/// The covariance between channels, or between blocks of them.
///
/// The blocks' means have the factor `G`, with a column for each position and column of `F`, so
/// that the part of `F` is `G Gᵀ / m`.
fn between_channels(
    own: &[f64],
    factor: &DMatrix<f64>,
    channels: usize,
    stride: usize,
) -> DMatrix<f64> {
    let (positions, rank) = (own.len() / channels, factor.ncols());
    let width = channels.div_ceil(ROWS);
    let rows = channels.div_ceil(width);
    let mut g = DMatrix::<f64>::zeros(rows, positions * rank);
    let mut diagonal = vec![0.0; rows];
    for (i, own) in own.iter().enumerate() {
        let (channel, position) =
            (i / stride % channels, i / (stride * channels) * stride + i % stride);
        let row = channel / width;
        let size = width.min(channels - row * width) as f64;
        diagonal[row] += own / (size * size);
        for k in 0..rank {
            g[(row, position * rank + k)] += factor[(i, k)] / size;
        }
    }
    let mut covariance = &g * g.transpose();
    for (row, own) in diagonal.into_iter().enumerate() {
        covariance[(row, row)] += own;
    }
    covariance / positions as f64
}

/// The eigenvalues of a covariance matrix, descending. Rounding below zero counts as zero.
fn eigenvalues(covariance: DMatrix<f64>) -> Vec<f64> {
    if covariance.is_empty() {
        return Vec::new();
    }
    let mut values: Vec<f64> =
        covariance.symmetric_eigenvalues().iter().map(|value| value.max(0.0)).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}
