//! Noise around a layer: on its weights, its input and its output, in any combination.

mod conv2d;
mod linear;

pub use conv2d::{NoisyConv2d, NoisyConv2dConfig};
pub use linear::{NoisyLinear, NoisyLinearConfig};

use super::{ActivationNoise, ActivationNoiseConfig, WeightNoise};
use crate::NoiseError;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The noise of a layer, place by place.
///
/// [`NoisyConv2dConfig`](crate::NoisyConv2dConfig) and
/// [`NoisyLinearConfig`](crate::NoisyLinearConfig) take one; [`wrap`](Self::wrap) puts it around
/// any other layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNoise {
    /// The name that keys the draws, as with [`with_name`](Self::with_name).
    #[serde(default)]
    pub name: String,
    /// Noise on the weights.
    pub weight: Option<WeightNoise>,
    /// Noise on the input. PNI calls this placement A-b, CNI's code `act_noise_a`.
    pub input: Option<ActivationNoiseConfig>,
    /// Noise on the output. PNI calls this placement A-a, CNI's code `act_noise_b`.
    pub output: Option<ActivationNoiseConfig>,
}

impl Config for LayerNoise {}

impl LayerNoise {
    /// No noise.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds noise to the weights.
    pub fn with_weight(mut self, noise: WeightNoise) -> Self {
        self.weight = Some(noise);
        self
    }

    /// Adds noise to the input.
    pub fn with_input(mut self, noise: ActivationNoiseConfig) -> Self {
        self.input = Some(noise);
        self
    }

    /// Adds noise to the output.
    pub fn with_output(mut self, noise: ActivationNoiseConfig) -> Self {
        self.output = Some(noise);
        self
    }

    /// Sets the name that keys the draws, empty by default: `name.weight`, `name.input`,
    /// `name.output`.
    ///
    /// Layers of one name draw in the order in which they run within a
    /// [scope](cni_noise::scope). A name of its own, such as its path in the model, makes the draws
    /// of a layer independent of what else runs.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Puts the noise around a layer of any kind. Noise on the input and on the output needs its
    /// [features](ActivationNoiseConfig::with_features), which only the caller knows.
    ///
    /// ```
    /// # use burn::{nn::conv::{Conv1d, Conv1dConfig}, tensor::{Device, Tensor}};
    /// use cni_layers::{ActivationNoiseConfig, LayerNoise, WeightNoise};
    /// # let device = Device::flex();
    /// let conv = LayerNoise::none()
    ///     .with_weight(WeightNoise::colored(5))
    ///     .with_output(ActivationNoiseConfig::colored(2).with_features([16, 30]))
    ///     .wrap(Conv1dConfig::new(3, 16, 3).init(&device), &device);
    /// let x = Tensor::<3>::ones([2, 3, 32], &device);
    /// assert_eq!(conv.forward(x, Conv1d::forward).dims(), [2, 16, 30]);
    /// ```
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_wrap`](Self::try_wrap) would give.
    pub fn wrap<L: Module>(&self, layer: L, device: &Device) -> Noisy<L> {
        self.try_wrap(layer, device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`wrap`](Self::wrap), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] if a noise does not fit the layer.
    pub fn try_wrap<L: Module>(&self, layer: L, device: &Device) -> Result<Noisy<L>, NoiseError> {
        let [input, output] = self.around(&[], &[], device)?;
        let layer = match &self.weight {
            Some(noise) => noise.within(&self.name).try_inject(layer)?,
            None => layer,
        };
        Ok(Noisy { layer, input, output })
    }

    /// The layer with noise on its parameter `weight`, unless a group says otherwise.
    fn on_weight<M: Module>(&self, layer: M) -> Result<M, NoiseError> {
        match &self.weight {
            Some(noise) => noise.within(&self.name).or_on("weight").try_inject(layer),
            None => Ok(layer),
        }
    }

    /// The noise on the input and on the output, which have these features unless the noise itself
    /// says otherwise.
    fn around(
        &self,
        input: &[usize],
        output: &[usize],
        device: &Device,
    ) -> Result<[Option<ActivationNoise>; 2], NoiseError> {
        let at = |noise: &Option<ActivationNoiseConfig>, place, features: &[usize]| {
            let make = |noise: &ActivationNoiseConfig| {
                noise.within(&self.name, place, features).try_init(device)
            };
            noise.as_ref().map(make).transpose()
        };
        Ok([at(&self.input, "input", input)?, at(&self.output, "output", output)?])
    }
}

/// Passes `x` through a layer and the noise around it.
fn around<const I: usize, const O: usize>(
    [input, output]: [&Option<ActivationNoise>; 2],
    x: Tensor<I>,
    layer: impl FnOnce(Tensor<I>) -> Tensor<O>,
) -> Tensor<O> {
    let x = match input {
        Some(noise) => noise.forward(x),
        None => x,
    };
    let x = layer(x);
    match output {
        Some(noise) => noise.forward(x),
        None => x,
    }
}

/// A layer of any kind with learnable noise. Made by [`LayerNoise::wrap`].
///
/// In a model it stands in the place of the layer: a field `conv: Conv1d` becomes
/// `conv: Noisy<Conv1d>`.
#[derive(Module, Debug)]
pub struct Noisy<L: Module> {
    /// The layer; its weights may carry noise.
    pub layer: L,
    /// Noise on the input.
    pub input: Option<ActivationNoise>,
    /// Noise on the output.
    pub output: Option<ActivationNoise>,
}

impl<L: Module> Noisy<L> {
    /// Passes `x` through the noise of the input, the layer and the noise of the output. Burn has
    /// no trait for the forward pass of a layer, so the caller names it: `Conv3d::forward`, or a
    /// closure.
    ///
    /// # Panics
    ///
    /// If the input or the output does not have the features of its noise.
    pub fn forward<const I: usize, const O: usize>(
        &self,
        x: Tensor<I>,
        layer: impl FnOnce(&L, Tensor<I>) -> Tensor<O>,
    ) -> Tensor<O> {
        around([&self.input, &self.output], x, |x| layer(&self.layer, x))
    }
}
