//! The covariance of a tensor's noise, small enough to look at.

use crate::Parameters;
use burn::tensor::Tensor;
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// The most rows that [`NoiseCovariance::covariance`] has.
const ROWS: usize = 64;

/// The noise that one tensor has learned: its size, its covariance between channels and its
/// spectrum.
///
/// All follows from the parameters by the closed forms of the [laws](crate::law), without a draw.
/// The noise of a weight is in the units of the weight. That of an activation depends on the
/// standard deviation `s` of the layer's input, so it is given for `s = 1`;
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

/// The reason why the noise of a tensor has no covariance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CovarianceError {
    /// A weight or its noise parameters are not all finite.
    #[error(
        "{path}: got a number that is not finite in the weight or its noise, wanted finite ones"
    )]
    NotFinite {
        /// The noisy tensor.
        path: String,
    },
    /// The device did not give the parameters of the noise.
    #[error("{path}: the device does not give the parameters of the noise: {reason}")]
    Unreadable {
        /// The noisy tensor.
        path: String,
        /// What the device said.
        reason: String,
    },
}

impl NoiseCovariance {
    /// The covariance of the noise with these parameters on a tensor of this shape, without the
    /// batch axis, with its channels along `channel_axis`.
    ///
    /// `std` is the standard deviation of the tensor; `None` where it depends on an input, for the
    /// noise at `s = 1`.
    ///
    /// Costs time in proportion to `channels · elements · rank`, with no more than 64 channels
    /// counted, and memory in proportion to `elements · rank`.
    ///
    /// # Errors
    ///
    /// [`CovarianceError::NotFinite`] if a parameter or `std` is not finite, and
    /// [`CovarianceError::Unreadable`] if the device fails.
    ///
    /// # Panics
    ///
    /// Where the parameters are not those of the shape, or the shape is empty or has no such axis.
    pub fn new(
        path: String,
        law: String,
        parameters: &Parameters,
        shape: &[usize],
        channel_axis: usize,
        std: Option<f64>,
    ) -> Result<Self, CovarianceError> {
        let elements: usize = shape.iter().product();
        assert!(
            elements > 0 && parameters.fit(elements) && channel_axis < shape.len(),
            "{path}: the parameters or axis {channel_axis} do not fit the shape {shape:?}"
        );
        let unreadable = |reason| CovarianceError::Unreadable { path: path.clone(), reason };
        let amplitude = amplitude(parameters).map_err(unreadable)?;
        let (own, factor) = parts(parameters, elements, std.unwrap_or(1.0)).map_err(unreadable)?;
        let stds: Vec<f64> = own
            .iter()
            .zip(factor.row_iter())
            .map(|(v, row)| (v + row.norm_squared()).sqrt())
            .collect();
        let std_mean = stds.iter().sum::<f64>() / elements as f64;
        if !std_mean.is_finite() || !amplitude.is_finite() {
            return Err(CovarianceError::NotFinite { path });
        }
        let covariance = between_channels(&own, &factor, shape, channel_axis);
        Ok(Self {
            path,
            law,
            elements,
            channels: shape[channel_axis],
            amplitude,
            std_mean,
            std_max: stds.into_iter().fold(0.0, f64::max),
            relative_std: std.filter(|std| *std > 0.0).map(|std| std_mean / std),
            eigenvalues: eigenvalues(covariance.clone()),
            covariance: covariance.row_iter().map(|row| row.iter().copied().collect()).collect(),
            factor_eigenvalues: eigenvalues(factor.tr_mul(&factor)),
        })
    }
}

impl Parameters {
    /// The learned amplitude, free of the tensor's standard deviation: the mean of `|α|` for white
    /// noise, of `√|a|` for colored noise.
    ///
    /// # Panics
    ///
    /// If the device fails.
    pub fn amplitude(&self) -> f64 {
        amplitude(self).unwrap_or_else(|reason| panic!("{reason}"))
    }
}

fn amplitude(parameters: &Parameters) -> Result<f64, String> {
    let amplitudes: Vec<f64> = match parameters {
        Parameters::White { alpha, .. } => read(alpha)?.into_iter().map(f64::abs).collect(),
        Parameters::Colored(law) => {
            read(&law.diagonal)?.into_iter().map(|a| a.abs().sqrt()).collect()
        }
    };
    Ok(amplitudes.iter().sum::<f64>() / amplitudes.len() as f64)
}

/// The two parts of the covariance `diag(v) + F Fᵀ` of all elements: `v` and `F`, with the standard
/// deviation in them.
fn parts(
    parameters: &Parameters,
    elements: usize,
    std: f64,
) -> Result<(Vec<f64>, DMatrix<f64>), String> {
    match parameters {
        Parameters::White { alpha, stride, .. } => {
            let alpha = read(alpha)?;
            let amplitude = |i: usize| alpha[i / stride.max(&1) % alpha.len()];
            let own = (0..elements).map(|i| (amplitude(i) * std).powi(2)).collect();
            Ok((own, DMatrix::zeros(elements, 0)))
        }
        Parameters::Colored(law) => {
            let [diagonal, scale] = law.convention.colored_scales(std);
            let own = read(&law.diagonal)?.into_iter().map(|a| a.abs() * diagonal).collect();
            let rank = law.factor.as_ref().map_or(0, |factor| factor.dims()[1]);
            let factor = law.factor.as_ref().map_or(Ok(Vec::new()), read)?;
            Ok((own, DMatrix::from_row_slice(elements, rank, &factor) * scale.sqrt()))
        }
    }
}

/// The covariance between channels, or between blocks of them.
///
/// The blocks' means have the factor `G`, with a column for each position and column of `F`, so
/// that the part of `F` is `G Gᵀ / m`.
fn between_channels(
    own: &[f64],
    factor: &DMatrix<f64>,
    shape: &[usize],
    channel_axis: usize,
) -> DMatrix<f64> {
    let channels = shape[channel_axis];
    let stride: usize = shape[channel_axis + 1..].iter().product();
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

fn read<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f64>, String> {
    tensor.clone().inner().try_to_vec_as().map_err(|error| format!("{error:?}"))
}
