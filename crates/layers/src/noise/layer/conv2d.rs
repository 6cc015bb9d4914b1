//! A 2-D convolution with noise.

use super::{LayerNoise, around};
use crate::NoiseError;
#[cfg(feature = "band-limited")]
use crate::band_limited::{BandLimitedInput, BandLimitedInputConfig};
use crate::check::check_conv2d;
use crate::noise::ActivationNoise;
use burn::config::Config;
use burn::module::Module;
use burn::nn::BatchNorm;
#[cfg(feature = "band-limited")]
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use cni_ops::{Chain, Epilogue, Value, conv2d_output_size, padding_pairs};
use serde::{Deserialize, Serialize};

/// Configures [`NoisyConv2d`].
///
/// ```
/// # use burn::{nn::conv::Conv2dConfig, tensor::{Device, Tensor}};
/// use cni_layers::{LayerNoise, NoisyConv2dConfig, WeightNoise};
/// # let device = Device::flex();
/// let conv = Conv2dConfig::new([3, 16], [3, 3]);
/// let noise = LayerNoise::none().with_weight(WeightNoise::colored(5));
/// let layer = NoisyConv2dConfig::new(conv, [8, 8]).with_noise(noise).init(&device);
/// assert_eq!(layer.forward(Tensor::ones([2, 3, 8, 8], &device)).dims(), [2, 16, 6, 6]);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisyConv2dConfig {
    /// The convolution.
    pub conv: Conv2dConfig,
    /// Height and width of the input. Only noise on input or output needs them.
    pub image_size: [usize; 2],
    /// The noise of the layer.
    #[serde(default)]
    pub noise: LayerNoise,
    /// The frequencies of its input that are kept, all without.
    #[cfg(feature = "band-limited")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<BandLimitedInputConfig>,
}

impl Config for NoisyConv2dConfig {}

impl NoisyConv2dConfig {
    /// A convolution without noise.
    pub fn new(conv: Conv2dConfig, image_size: [usize; 2]) -> Self {
        Self {
            conv,
            image_size,
            noise: LayerNoise::none(),
            #[cfg(feature = "band-limited")]
            band: None,
        }
    }

    /// Sets the frequencies of the input that are kept. Noise on the input comes before.
    #[cfg(feature = "band-limited")]
    pub fn with_band(mut self, band: Option<BandLimitedInputConfig>) -> Self {
        self.band = band;
        self
    }

    /// Sets the noise of the layer.
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

    /// Like [`output_size`](Self::output_size), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if a size of the kernel, the stride or the dilation is zero, or the
    /// kernel is larger than the padded input.
    pub fn try_output_size(&self) -> Result<[usize; 2], NoiseError> {
        check_conv2d(&self.conv)?;
        let Conv2dConfig { kernel_size, stride, dilation, padding, .. } = &self.conv;
        let (input, kernel) = (self.image_size, *kernel_size);
        let pairs = padding_pairs(padding, input, kernel, *stride);
        conv2d_output_size(input, kernel, *stride, *dilation, pairs).ok_or_else(|| {
            let got = format!("{kernel:?}, dilation {dilation:?}, for an input of {input:?}");
            let wanted = "a kernel no larger than the padded input";
            NoiseError::Model { field: "kernel_size", got, wanted }
        })
    }

    /// The layer.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> NoisyConv2d {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] if a noise does not fit the layer, or [`NoiseError::Model`] if a size of the
    /// convolution is zero, the groups do not divide the channels, or there is noise on the output
    /// and the kernel is larger than the padded input.
    pub fn try_init(&self, device: &Device) -> Result<NoisyConv2d, NoiseError> {
        check_conv2d(&self.conv)?;
        let features = |channels, [height, width]: [usize; 2]| [channels, height, width];
        let [channels_in, channels_out] = self.conv.channels;
        // Without noise on it, the output may have any size.
        let output_size = match self.noise.output {
            Some(_) => self.try_output_size()?,
            None => [1, 1],
        };
        let [input, output] = self.noise.around(
            &features(channels_in, self.image_size),
            &features(channels_out, output_size),
            device,
        )?;
        #[cfg(feature = "band-limited")]
        if let Some(band) = &self.band {
            let band = band.within(&self.noise.name).try_init(self.conv.padding.clone())?;
            let conv = self.conv.clone().with_padding(PaddingConfig2d::Valid).init(device);
            let conv = self.noise.on_weight(conv)?;
            return Ok(NoisyConv2d { conv, input, band: Some(band), output });
        }
        let conv = self.noise.on_weight(self.conv.init(device))?;
        Ok(NoisyConv2d {
            conv,
            input,
            #[cfg(feature = "band-limited")]
            band: None,
            output,
        })
    }
}

/// A 2-D convolution with learnable noise. Made by [`NoisyConv2dConfig`].
#[derive(Module, Debug)]
pub struct NoisyConv2d {
    /// The convolution; its weight may carry noise.
    pub conv: Conv2d,
    /// Noise on the input.
    pub input: Option<ActivationNoise>,
    /// The low frequencies of the noisy input, with the padding that the convolution then lacks.
    #[cfg(feature = "band-limited")]
    pub band: Option<BandLimitedInput>,
    /// Noise on the output.
    pub output: Option<ActivationNoise>,
}

impl NoisyConv2d {
    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        around([&self.input, &self.output], x, |x| {
            #[cfg(feature = "band-limited")]
            let x = match &self.band {
                Some(band) => band.forward(&self.conv, x),
                None => x,
            };
            cni_ops::conv2d(&self.conv, x)
        })
    }

    /// The layer in a chain, with the batch norm after it if it has one, and what follows.
    pub fn chain<'a>(
        &'a self,
        chain: &mut Chain<'a>,
        norm: Option<&'a BatchNorm>,
        mut x: Value,
        after: Epilogue<Value>,
    ) -> Value {
        if let Some(noise) = &self.input {
            x = chain.noise(noise, x);
        }
        #[cfg(feature = "band-limited")]
        if let Some(band) = &self.band {
            x = chain.apply(x, |x| band.forward(&self.conv, x));
        }
        let Some(noise) = &self.output else {
            return match norm {
                Some(norm) => chain.conv2d_batch_norm(&self.conv, norm, x, after),
                None => chain.conv2d(&self.conv, x, after),
            };
        };
        x = chain.conv2d(&self.conv, x, Epilogue::default());
        x = chain.noise(noise, x);
        match norm {
            Some(norm) => chain.batch_norm(norm, x, after),
            None => chain.epilogue(x, after),
        }
    }
}
