//! Convolutions that leave the high frequencies of their inputs out.

use super::limit::Grid;
use super::spectra::{Correlation, correlate};
use super::{Band, BandLimitedInput, BandLimitedInputConfig};
use crate::check::check_conv2d;
use crate::{NoiseError, Per};
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use cni_noise::named_values;
use serde::{Deserialize, Serialize};

/// The way in which a band-limited convolution is computed. Both give the same values and gradients
/// up to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A projection of the input, and an ordinary convolution by the fastest kernels there are.
    #[default]
    Direct,
    /// The product of the kept parts of the spectra of input and weights, as published. Its work
    /// and the memory that it keeps for the gradient fall with the band.
    Spectra,
}

named_values!(Method, NoiseError, NoiseError::unnamed("method"), [Direct, Spectra]);

/// Configures [`BandLimitedConv2d`].
///
/// ```
/// # use burn::{nn::conv::Conv2dConfig, tensor::{Device, Tensor}};
/// use cni_layers::band_limited::{Band, BandLimitedConv2dConfig};
/// # let device = Device::flex();
/// let conv = Conv2dConfig::new([3, 16], [3, 3]);
/// let layer = BandLimitedConv2dConfig::new(conv, Band::Rate(0.5)).init(&device);
/// assert_eq!(layer.forward(Tensor::ones([2, 3, 8, 8], &device)).dims(), [2, 16, 6, 6]);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandLimitedConv2dConfig {
    /// The convolution.
    pub conv: Conv2dConfig,
    /// The frequencies of its input that are kept.
    pub input: BandLimitedInputConfig,
    /// The way of computing it.
    #[serde(default)]
    pub method: Method,
}

impl Config for BandLimitedConv2dConfig {}

impl BandLimitedConv2dConfig {
    /// A convolution of low frequencies.
    pub fn new(conv: Conv2dConfig, band: Band) -> Self {
        Self { conv, input: BandLimitedInputConfig::new(band), method: Method::Direct }
    }

    /// Sets how the input is limited.
    pub fn with_input(mut self, input: BandLimitedInputConfig) -> Self {
        self.input = input;
        self
    }

    /// Sets the way of computing it.
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// The layer.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> BandLimitedConv2d {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a band as of
    /// [`BandLimit2dConfig::try_init`](super::BandLimit2dConfig::try_init), a kernel, stride or
    /// dilation of zero, groups that do not divide the channels, and for spectra with groups or
    /// with a band that is drawn for each example.
    pub fn try_init(&self, device: &Device) -> Result<BandLimitedConv2d, NoiseError> {
        check_conv2d(&self.conv)?;
        let wrong = |field, got: String, wanted| Err(NoiseError::Model { field, got, wanted });
        if self.method == Method::Spectra {
            if self.conv.groups > 1 {
                let got = format!("spectra with {} groups", self.conv.groups);
                return wrong("method", got, "direct, or one group");
            }
            if self.input.limit.band.is_random() && self.input.limit.draw_per == Per::Example {
                let got = "spectra with a band drawn for each example".to_string();
                return wrong("method", got, "direct, or a band drawn for the batch");
            }
        }
        let input = self.input.try_init(self.conv.padding.clone())?;
        let conv = self.conv.clone().with_padding(PaddingConfig2d::Valid).init(device);
        Ok(BandLimitedConv2d { conv, input, method: self.method })
    }
}

/// A 2-D convolution of the low frequencies of its input. Made by [`BandLimitedConv2dConfig`].
///
/// Strides take every so-manieth of its results. Its weights are those of an ordinary convolution,
/// so that noise, checkpoints and optimizers take it for one.
#[derive(Module, Debug)]
pub struct BandLimitedConv2d {
    /// The convolution, without its padding.
    pub conv: Conv2d,
    /// The low frequencies of its input, with the padding.
    pub input: BandLimitedInput,
    #[module(skip)]
    method: Method,
}

impl BandLimitedConv2d {
    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`.
    ///
    /// # Panics
    ///
    /// If the kernel is larger than the padded input.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self.method {
            Method::Direct => cni_ops::conv2d(&self.conv, self.input.forward(&self.conv, x)),
            Method::Spectra => {
                let (Grid { size, before, .. }, output) = self.input.grid(&self.conv, &x);
                let [kept] = self.input.limit.kept(&x, size)[..] else {
                    unreachable!("a band of spectra is drawn for the batch")
                };
                let (stride, dilation) = (self.conv.stride, self.conv.dilation);
                let correlation = Correlation { size, before, output, stride, dilation, kept };
                let y = correlate(x, self.conv.weight.val(), correlation);
                match &self.conv.bias {
                    Some(bias) => {
                        let channels = bias.val().dims()[0];
                        y + bias.val().reshape([1, channels, 1, 1])
                    }
                    None => y,
                }
            }
        }
    }
}
