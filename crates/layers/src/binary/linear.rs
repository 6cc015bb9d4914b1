//! Linear layers of signs.

use super::{BinaryWeights, Quantizer, no_bias, surrogate_of};
use crate::NoiseError;
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configures [`BinaryLinear`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryLinearConfig {
    /// The linear layer. It has no bias.
    pub linear: LinearConfig,
    /// The quantizer of the weights.
    pub weights: Quantizer,
    /// The quantizer of the inputs; without one they stay as they are.
    pub input: Option<Quantizer>,
}

impl Config for BinaryLinearConfig {}

impl BinaryLinearConfig {
    /// A linear layer without a bias, whose weights and inputs are quantized by the
    /// straight-through estimator within ±1.3.
    pub fn new(linear: LinearConfig) -> Self {
        let quantizer = Quantizer::dense_net();
        Self { linear: linear.with_bias(false), weights: quantizer, input: Some(quantizer) }
    }

    /// Sets the quantizer of the weights.
    pub fn with_weights(mut self, quantizer: Quantizer) -> Self {
        self.weights = quantizer;
        self
    }

    /// Sets the quantizer of the inputs.
    pub fn with_input(mut self, quantizer: Option<Quantizer>) -> Self {
        self.input = quantizer;
        self
    }

    /// The layer.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> BinaryLinear {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a layer with a bias or of no size, and for a setting of a
    /// quantizer out of its range.
    pub fn try_init(&self, device: &Device) -> Result<BinaryLinear, NoiseError> {
        let LinearConfig { d_input, d_output, bias, .. } = &self.linear;
        if *d_input == 0 || *d_output == 0 {
            let (got, wanted) = (format!("{d_input} to {d_output}"), "sizes above zero");
            return Err(NoiseError::Model { field: "linear", got, wanted });
        }
        no_bias(*bias)?;
        self.input.iter().try_for_each(Quantizer::check)?;
        let linear = BinaryWeights::new(self.weights).try_inject(self.linear.init(device))?;
        Ok(BinaryLinear { linear, input: self.input })
    }
}

/// A linear layer of signs. Made by [`BinaryLinearConfig`].
#[derive(Module, Debug)]
pub struct BinaryLinear {
    /// The linear layer, whose weight is the latent one.
    pub linear: Linear,
    #[module(skip)]
    input: Option<Quantizer>,
}

impl BinaryLinear {
    /// The quantizer of the inputs.
    pub fn input(&self) -> Option<Quantizer> {
        self.input
    }

    /// The same layer with another gradient of its inputs' signs: see
    /// [`DenseNet::with_surrogate`](crate::models::DenseNet::with_surrogate).
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a layer whose inputs are not quantized, and for a setting of the
    /// quantizer out of its range.
    pub fn with_surrogate(self, surrogate: Quantizer) -> Result<Self, NoiseError> {
        Ok(Self { input: Some(surrogate_of(self.input, surrogate)?), ..self })
    }

    /// `[batch, .., features_in]` to `[batch, .., features_out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = match &self.input {
            Some(quantizer) => quantizer.forward(x),
            None => x,
        };
        self.linear.forward(x)
    }
}
