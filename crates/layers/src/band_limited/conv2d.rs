//! Convolutions that leave the high frequencies of their inputs out.

use super::limit::Grid;
use super::spectra::{Correlation, correlate};
use super::{Band, BandLimit2d, BandLimit2dConfig};
use crate::{NoiseError, Per};
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use cni_noise::named_values;
use cni_ops::{conv2d_output_size, padding_pairs};
use serde::{Deserialize, Serialize};

/// The way in which a band-limited convolution is computed. Both give the same values and gradients
/// up to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A projection of the input, and an ordinary convolution by the fastest kernels there are.
    #[default]
    Direct,
    /// The product of the kept parts of the spectra of input and weights, as published. Its work and
    /// the memory that it keeps for the gradient fall with the band.
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
    /// The frequencies that are kept, and what a draw of a random band is for.
    pub limit: BandLimit2dConfig,
    /// True if the grid of the transform has powers of two as its sizes, as in the published
    /// trainings. A band of a larger grid is another band.
    #[serde(default)]
    pub power_of_two: bool,
    /// The way of computing it.
    #[serde(default)]
    pub method: Method,
}

impl Config for BandLimitedConv2dConfig {}

impl BandLimitedConv2dConfig {
    /// A convolution of low frequencies.
    pub fn new(conv: Conv2dConfig, band: Band) -> Self {
        let limit = BandLimit2dConfig::new(band);
        Self { conv, limit, power_of_two: false, method: Method::Direct }
    }

    /// Sets the band with what a draw of it is for, and the name that keys it.
    pub fn with_limit(mut self, limit: BandLimit2dConfig) -> Self {
        self.limit = limit;
        self
    }

    /// Sets whether the grid has powers of two as its sizes.
    pub fn with_power_of_two(mut self, power_of_two: bool) -> Self {
        self.power_of_two = power_of_two;
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
    /// [`NoiseError::Model`] for a band as of [`BandLimit2dConfig::try_init`], a kernel, stride or
    /// dilation of zero, groups that do not divide the channels, and for spectra with groups or with
    /// a band that is drawn for each example.
    pub fn try_init(&self, device: &Device) -> Result<BandLimitedConv2d, NoiseError> {
        crate::noise::check_conv2d(&self.conv)?;
        let wrong = |field, got: String, wanted| Err(NoiseError::Model { field, got, wanted });
        if self.method == Method::Spectra {
            if self.conv.groups > 1 {
                let got = format!("spectra with {} groups", self.conv.groups);
                return wrong("method", got, "direct, or one group");
            }
            if self.limit.band.is_random() && self.limit.draw_per == Per::Example {
                let got = "spectra with a band drawn for each example".to_string();
                return wrong("method", got, "direct, or a band drawn for the batch");
            }
        }
        let limit = self.limit.try_init()?;
        let padding = self.conv.padding.clone();
        let conv = self.conv.clone().with_padding(PaddingConfig2d::Valid).init(device);
        let (power_of_two, method) = (self.power_of_two, self.method);
        Ok(BandLimitedConv2d { conv, limit, padding, power_of_two, method })
    }
}

/// A 2-D convolution of the low frequencies of its input. Made by [`BandLimitedConv2dConfig`].
///
/// The input lies between the zeros of its padding on a grid that is large enough for the
/// correlation not to wrap, `n = padded + max(output, kernel) − 1` along an axis; its projection on
/// the low frequencies of that grid is convolved. Strides take every so-manieth of its results.
///
/// Its weights are those of an ordinary convolution, so that noise, checkpoints and optimizers take
/// it for one.
#[derive(Module, Debug)]
pub struct BandLimitedConv2d {
    /// The convolution, without its padding.
    pub conv: Conv2d,
    /// The frequencies that are kept.
    pub limit: BandLimit2d,
    #[module(skip)]
    padding: PaddingConfig2d,
    #[module(skip)]
    power_of_two: bool,
    #[module(skip)]
    method: Method,
}

impl BandLimitedConv2d {
    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`.
    ///
    /// # Panics
    ///
    /// If the kernel is larger than the padded input, or the band names more frequencies than the
    /// grid has.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let (stride, dilation) = (self.conv.stride, self.conv.dilation);
        let [_, _, kernel_height, kernel_width] = self.conv.weight.lazy_shape().dims();
        let (input, kernel) = ([height, width], [kernel_height, kernel_width]);
        let pads = padding_pairs(&self.padding, input, kernel, stride);
        let output = conv2d_output_size(input, kernel, stride, dilation, pads);
        let output = output.unwrap_or_else(|| {
            panic!(
                "kernel_size: got {kernel:?}, dilation {dilation:?}, for an input of {input:?}, \
                 wanted a kernel no larger than the padded input"
            )
        });
        let before = pads.map(|(before, _)| before);
        let out = [0, 1].map(|axis| input[axis] + pads[axis].0 + pads[axis].1);
        let size = [0, 1].map(|axis| {
            let span = dilation[axis] * (kernel[axis] - 1) + 1;
            let n = out[axis] + span.max(out[axis] + 1 - span) - 1;
            if self.power_of_two { n.next_power_of_two() } else { n }
        });
        let grid = Grid { size, before, out };
        match self.method {
            Method::Direct => cni_ops::conv2d(&self.conv, self.limit.on_grid(x, grid)),
            Method::Spectra => {
                let [kept] = self.limit.kept(&x, size)[..] else {
                    unreachable!("a band of spectra is drawn for the batch")
                };
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
