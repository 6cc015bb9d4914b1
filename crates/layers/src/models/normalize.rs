use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// The first layer of a classifier: pixels in [0, 1] to `(x - mean) / std` by channel.
///
/// Attacks work on pixels; only this layer knows the mean and the standard deviation.
#[derive(Module, Debug)]
pub struct Normalize {
    #[module(skip)]
    channels: Channels,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Channels {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Normalize {
    /// Normalization by a mean and a standard deviation for each channel, in units of pixels in [0, 1].
    ///
    /// # Panics
    ///
    /// Where the two differ in length, are empty or not finite, or a standard deviation is not above zero.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        assert!(
            !mean.is_empty() && mean.len() == std.len(),
            "mean, std: got {} and {} channels, wanted the same number above zero",
            mean.len(),
            std.len()
        );
        assert!(mean.iter().all(|m| m.is_finite()), "mean: got {mean:?}, wanted finite numbers");
        assert!(
            std.iter().all(|s| s.is_finite() && *s > 0.0),
            "std: got {std:?}, wanted finite numbers above zero"
        );
        Self { channels: Channels { mean: mean.to_vec(), std: std.to_vec() } }
    }

    /// The constants of CNI's code for CIFAR-10 and CIFAR-100.
    pub fn cifar() -> Self {
        Self::new(&[0.491, 0.482, 0.447], &[0.247, 0.243, 0.262])
    }

    /// Mean ½ and standard deviation ½ in each of `channels`: pixels to [−1, 1].
    pub fn centered(channels: usize) -> Self {
        Self::new(&vec![0.5; channels], &vec![0.5; channels])
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &[f64] {
        &self.channels.mean
    }

    /// The standard deviation of each channel.
    pub fn std(&self) -> &[f64] {
        &self.channels.std
    }

    /// `[batch, channels, height, width]` in [0, 1] to the same shape, normalized.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let options = (&images.device().inner(), images.dtype());
        let of = |values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [1, values.len(), 1, 1]);
            Tensor::<4>::from_data(data, options)
        };
        (images - of(self.mean())) / of(self.std())
    }
}
