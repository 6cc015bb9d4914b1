//! A linear layer with noise.

use super::LayerNoise;
use crate::NoiseError;
use crate::noise::ActivationNoise;
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configures [`NoisyLinear`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisyLinearConfig {
    /// The linear layer.
    pub linear: LinearConfig,
    /// The noise of the layer.
    #[serde(default)]
    pub noise: LayerNoise,
}

impl Config for NoisyLinearConfig {}

impl NoisyLinearConfig {
    /// A linear layer without noise.
    pub fn new(linear: LinearConfig) -> Self {
        Self { linear, noise: LayerNoise::none() }
    }

    /// Sets the noise of the layer.
    pub fn with_noise(mut self, noise: LayerNoise) -> Self {
        self.noise = noise;
        self
    }

    /// The layer.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> NoisyLinear {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] where a noise does not fit the layer.
    pub fn try_init(&self, device: &Device) -> Result<NoisyLinear, NoiseError> {
        let (d_input, d_output) = (self.linear.d_input, self.linear.d_output);
        let [input, output] = self.noise.around(&[d_input], &[d_output], device)?;
        let linear = self.noise.on_weight(self.linear.init(device))?;
        Ok(NoisyLinear { linear, input, output })
    }
}

/// A linear layer with learnable noise. Made by [`NoisyLinearConfig`].
#[derive(Module, Debug)]
pub struct NoisyLinear {
    /// The linear layer; its weight may carry noise.
    pub linear: Linear,
    /// Noise on the input.
    pub input: Option<ActivationNoise>,
    /// Noise on the output.
    pub output: Option<ActivationNoise>,
}

impl NoisyLinear {
    /// The layer with its noise.
    ///
    /// Activation noise takes each position of an input of more than two axes as a row of its own,
    /// as the layer does: all positions share the noise's parameters, and what is drawn or scaled
    /// per example is so per position. Noise that was given `features` takes these instead, such as
    /// `[length, d_input]`.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, .., d_input]`
    /// - output: `[batch, .., d_output]`
    ///
    /// # Panics
    ///
    /// If the last axis is not that of the layer.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let add = |noise: &Option<ActivationNoise>, x| match noise {
            Some(noise) => noise.forward_last(x),
            None => x,
        };
        add(&self.output, cni_ops::linear(&self.linear, add(&self.input, x)))
    }
}
