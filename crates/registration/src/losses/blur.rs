use crate::RegistrationError;
use crate::axes::{AxisMap, along_all};
use crate::error::within;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The largest σ of a blur, in voxels.
const WIDEST: f64 = 1e4;

/// Refuses a σ that is not in [0, 10⁴].
pub(crate) fn check_sigma(field: &'static str, got: f64) -> Result<(), RegistrationError> {
    within(field, got, |sigma| (0.0..=WIDEST).contains(&sigma), "a number in [0, 10,000]")
        .map(|_| ())
}

/// The kernel of a blur. Both are cut off and divided by their sum, as in label-reg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlurKernel {
    /// `exp(−d² / 2σ²)` up to a distance of `⌊3σ⌋` voxels.
    #[default]
    Gaussian,
    /// `1 / (1 + d² / σ²)` up to a distance of `⌊5σ⌋` voxels.
    Cauchy,
}

impl BlurKernel {
    /// The weights at the distances 0, 1, .. up to the tail or the end of the axis.
    fn weights(self, voxels: usize, sigma: f64) -> Vec<f64> {
        let tail = match self {
            Self::Gaussian => 3.0 * sigma,
            Self::Cauchy => 5.0 * sigma,
        };
        let weight = |distance: usize| {
            let square = (distance as f64 / sigma).powi(2);
            match self {
                Self::Gaussian => (-0.5 * square).exp(),
                Self::Cauchy => 1.0 / (1.0 + square),
            }
        };
        let tail = tail as usize;
        let sum = weight(0) + 2.0 * (1..=tail).map(weight).sum::<f64>();
        (0..=tail.min(voxels)).map(|distance| weight(distance) / sum).collect()
    }

    /// The blur of an axis. Outside of the grid there is 0.
    pub(crate) fn map(self, voxels: usize, sigma: f64) -> AxisMap {
        let weights = self.weights(voxels, sigma);
        AxisMap::kernel(voxels, |distance| weights.get(distance).copied().unwrap_or(0.0))
    }
}

/// An image, blurred along each axis by the same σ above 0, at most 10⁴.
pub(crate) fn blurred<const R: usize>(x: Tensor<R>, kernel: BlurKernel, sigma: f64) -> Tensor<R> {
    along_all(x, |_, voxels| kernel.map(voxels, sigma))
}
