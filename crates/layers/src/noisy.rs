//! Convolution and linear layers with noise on weights, input and output in any combination. One
//! file, because they share where a layer is noisy and how.

use crate::{ActivationNoise, ActivationNoiseConfig, NoiseError, WeightNoise};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_ops::{Epilogue, conv2d_batch_norm, conv2d_output_size, padding_pairs};
use serde::{Deserialize, Serialize};

/// Where a layer is noisy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LayerNoise {
    /// Noise on the weight.
    pub weight: Option<WeightNoise>,
    /// Noise on the input. PNI calls this placement A-b, CNI's code `act_noise_a`.
    pub input: Option<ActivationNoiseConfig>,
    /// Noise on the output. PNI calls this placement A-a, CNI's code `act_noise_b`.
    pub output: Option<ActivationNoiseConfig>,
}

impl LayerNoise {
    /// No noise.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds noise to the weight.
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

    fn on_weight<M: Module>(&self, name: &str, layer: M) -> Result<M, NoiseError> {
        let Some(noise) = &self.weight else {
            return Ok(layer);
        };
        noise.within(name, "weight").try_inject(layer)
    }

    fn around(
        &self,
        name: &str,
        input: &[usize],
        output: &[usize],
        device: &Device,
    ) -> Result<[Option<ActivationNoise>; 2], NoiseError> {
        let at = |noise: &Option<ActivationNoiseConfig>, place, features: &[usize]| {
            let make = |noise: &ActivationNoiseConfig| {
                noise.try_init(&format!("{name}.{place}"), features, device)
            };
            noise.as_ref().map(make).transpose()
        };
        Ok([at(&self.input, "input", input)?, at(&self.output, "output", output)?])
    }
}

/// Passes `x` through a layer and the noise around it.
fn through<const D: usize>(
    [input, output]: [&Option<ActivationNoise>; 2],
    x: Tensor<D>,
    layer: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    let add = |noise: &Option<ActivationNoise>, x| match noise {
        Some(noise) => noise.forward(x),
        None => x,
    };
    add(output, layer(add(input, x)))
}

/// Configures [`NoisyConv2d`].
#[derive(Clone, Debug)]
pub struct NoisyConv2dConfig {
    /// The convolution.
    pub conv: Conv2dConfig,
    /// Height and width of the input. Only noise on input or output needs them.
    pub image_size: [usize; 2],
    /// Where the layer is noisy.
    pub noise: LayerNoise,
}

impl NoisyConv2dConfig {
    /// A convolution without noise.
    pub fn new(conv: Conv2dConfig, image_size: [usize; 2]) -> Self {
        Self { conv, image_size, noise: LayerNoise::none() }
    }

    /// Sets where the layer is noisy.
    pub fn with_noise(mut self, noise: LayerNoise) -> Self {
        self.noise = noise;
        self
    }

    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_output_size`](Self::try_output_size) would give.
    pub fn output_size(&self) -> [usize; 2] {
        self.try_output_size().unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`output_size`](Self::output_size).
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if a size of the kernel, the stride or the dilation is zero, or the
    /// kernel is larger than the padded input.
    pub fn try_output_size(&self) -> Result<[usize; 2], NoiseError> {
        self.check()?;
        let Conv2dConfig { kernel_size, stride, dilation, padding, .. } = &self.conv;
        let (input, kernel) = (self.image_size, *kernel_size);
        let pairs = padding_pairs(padding, input, kernel, *stride);
        conv2d_output_size(input, kernel, *stride, *dilation, pairs).ok_or_else(|| {
            let got = format!("{kernel:?}, dilation {dilation:?}, for an input of {input:?}");
            let wanted = "a kernel no larger than the padded input";
            NoiseError::Model { field: "kernel_size", got, wanted }
        })
    }

    /// Refuses what Burn would divide by.
    fn check(&self) -> Result<(), NoiseError> {
        let wrong = |field, got, wanted| Err(NoiseError::Model { field, got, wanted });
        let Conv2dConfig { channels, kernel_size, stride, dilation, groups, .. } = &self.conv;
        for (field, sizes) in [
            ("channels", channels),
            ("kernel_size", kernel_size),
            ("stride", stride),
            ("dilation", dilation),
        ] {
            if sizes.contains(&0) {
                return wrong(field, format!("{sizes:?}"), "numbers above zero");
            }
        }
        if *groups == 0 || channels.iter().any(|channels| channels % groups > 0) {
            let got = format!("{groups} for {channels:?} channels");
            return wrong("groups", got, "a divisor of both numbers of channels");
        }
        Ok(())
    }

    /// The layer. `name` keys the draws: give every layer of a model its own, such as its path.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, name: &str, device: &Device) -> NoisyConv2d {
        self.try_init(name, device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`NoiseError`] if a noise does not fit the layer, or [`NoiseError::Model`] if a size of the
    /// convolution is zero, the groups do not divide the channels, or there is noise on the output
    /// and the kernel is larger than the padded input.
    pub fn try_init(&self, name: &str, device: &Device) -> Result<NoisyConv2d, NoiseError> {
        self.check()?;
        let features = |channels, [height, width]: [usize; 2]| [channels, height, width];
        let [channels_in, channels_out] = self.conv.channels;
        // Without noise on it, the output may have any size.
        let output_size = match self.noise.output {
            Some(_) => self.try_output_size()?,
            None => [1, 1],
        };
        let [input, output] = self.noise.around(
            name,
            &features(channels_in, self.image_size),
            &features(channels_out, output_size),
            device,
        )?;
        let conv = self.noise.on_weight(name, self.conv.init(device))?;
        Ok(NoisyConv2d { conv, input, output })
    }
}

/// A 2-D convolution with learnable noise. Made by [`NoisyConv2dConfig`].
#[derive(Module, Debug)]
pub struct NoisyConv2d {
    /// The convolution; its weight may carry noise.
    pub conv: Conv2d,
    /// Noise on the input.
    pub input: Option<ActivationNoise>,
    /// Noise on the output.
    pub output: Option<ActivationNoise>,
}

impl NoisyConv2d {
    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        through([&self.input, &self.output], x, |x| cni_ops::conv2d(&self.conv, x))
    }

    /// The layer, a batch norm and what follows it: `cni_ops::batch_norm(norm, self.forward(x), after)`,
    /// in one operation where that is possible.
    pub fn forward_norm(&self, norm: &BatchNorm, x: Tensor<4>, after: Epilogue) -> Tensor<4> {
        if self.output.is_some() {
            return cni_ops::batch_norm(norm, self.forward(x), after);
        }
        through([&self.input, &None], x, |x| conv2d_batch_norm(&self.conv, norm, x, after))
    }
}

/// Configures [`NoisyLinear`].
#[derive(Clone, Debug)]
pub struct NoisyLinearConfig {
    /// The linear layer.
    pub linear: LinearConfig,
    /// Where the layer is noisy.
    pub noise: LayerNoise,
}

impl NoisyLinearConfig {
    /// A linear layer without noise.
    pub fn new(linear: LinearConfig) -> Self {
        Self { linear, noise: LayerNoise::none() }
    }

    /// Sets where the layer is noisy.
    pub fn with_noise(mut self, noise: LayerNoise) -> Self {
        self.noise = noise;
        self
    }

    /// The layer. `name` keys the draws: give every layer of a model its own, such as its path.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, name: &str, device: &Device) -> NoisyLinear {
        self.try_init(name, device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`NoiseError`] where a noise does not fit the layer.
    pub fn try_init(&self, name: &str, device: &Device) -> Result<NoisyLinear, NoiseError> {
        let (d_input, d_output) = (self.linear.d_input, self.linear.d_output);
        let [input, output] = self.noise.around(name, &[d_input], &[d_output], device)?;
        let linear = self.noise.on_weight(name, self.linear.init(device))?;
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
    /// `[batch, d_input]` to `[batch, d_output]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        through([&self.input, &self.output], x, |x| cni_ops::linear(&self.linear, x))
    }
}
