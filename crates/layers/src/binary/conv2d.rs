//! Convolutions of signs.

use super::{BinaryWeights, Quantizer, no_bias, surrogate_of};
use crate::NoiseError;
use crate::check::check_conv2d;
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use cni_noise::named_values;
use cni_ops::padding_pairs;
use serde::{Deserialize, Serialize};

/// The value of the pixels around an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadValue {
    /// 0, which is no sign, as in Larq's models.
    #[default]
    Zero,
    /// −1, as in BMXNet's.
    Minus,
    /// +1.
    Plus,
}

named_values!(PadValue, NoiseError, NoiseError::unnamed("pad"), [Zero, Minus, Plus]);

/// Configures [`BinaryConv2d`].
///
/// ```
/// # use burn::{nn::conv::Conv2dConfig, tensor::{Device, Tensor}};
/// use cni_layers::binary::BinaryConv2dConfig;
/// # let device = Device::flex();
/// let layer = BinaryConv2dConfig::new(Conv2dConfig::new([3, 16], [3, 3])).init(&device);
/// let y = layer.forward(Tensor::ones([2, 3, 8, 8], &device)); // sums of 27 signs
/// assert_eq!(y.dims(), [2, 16, 6, 6]);
/// assert!(y.into_data().iter::<f32>().all(|y| (y + 27.0) % 2.0 == 0.0));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryConv2dConfig {
    /// The convolution. It has no bias.
    pub conv: Conv2dConfig,
    /// The quantizer of the weights.
    pub weights: Quantizer,
    /// The quantizer of the inputs; without one they stay as they are.
    pub input: Option<Quantizer>,
    /// The value of the pixels around an input.
    #[serde(default)]
    pub pad: PadValue,
}

impl Config for BinaryConv2dConfig {}

impl BinaryConv2dConfig {
    /// A convolution without a bias, whose weights and inputs are quantized by the straight-through
    /// estimator within ±1.3.
    pub fn new(conv: Conv2dConfig) -> Self {
        let quantizer = Quantizer::dense_net();
        let conv = conv.with_bias(false);
        Self { conv, weights: quantizer, input: Some(quantizer), pad: PadValue::Zero }
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

    /// Sets the value of the pixels around an input.
    pub fn with_pad(mut self, pad: PadValue) -> Self {
        self.pad = pad;
        self
    }

    /// The layer.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> BinaryConv2d {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a convolution with a bias, for a kernel, stride or dilation of zero
    /// or groups that do not divide the channels, and for a setting of a quantizer out of its range.
    pub fn try_init(&self, device: &Device) -> Result<BinaryConv2d, NoiseError> {
        check_conv2d(&self.conv)?;
        no_bias(self.conv.bias)?;
        self.input.iter().try_for_each(Quantizer::check)?;
        let conv = match self.pad {
            PadValue::Zero => self.conv.clone(),
            _ => self.conv.clone().with_padding(PaddingConfig2d::Valid),
        };
        let conv = BinaryWeights::new(self.weights).try_inject(conv.init(device))?;
        let (padding, input, pad) = (self.conv.padding.clone(), self.input, self.pad);
        Ok(BinaryConv2d { conv, padding, input, pad })
    }
}

/// A 2-D convolution of signs. Made by [`BinaryConv2dConfig`].
///
/// With `K = channels_in · height · width` of the kernel its values are whole numbers of K's parity
/// in [−K, K], as long as no pixel around the input is zero. BMXNet's layer gives the number of equal
/// signs, `(y + K) / 2`, which a batch norm makes the same.
#[derive(Module, Debug)]
pub struct BinaryConv2d {
    /// The convolution, whose weight is the latent one.
    pub conv: Conv2d,
    #[module(skip)]
    padding: PaddingConfig2d,
    #[module(skip)]
    input: Option<Quantizer>,
    #[module(skip)]
    pad: PadValue,
}

impl BinaryConv2d {
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

    /// The value of the pixels around an input.
    pub fn pad(&self) -> PadValue {
        self.pad
    }

    #[cfg(feature = "flex")]
    pub(super) fn padding(&self) -> &PaddingConfig2d {
        &self.padding
    }

    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.input {
            Some(quantizer) => quantizer.forward(x),
            None => x,
        };
        let value = match self.pad {
            PadValue::Zero => return cni_ops::conv2d(&self.conv, x),
            PadValue::Minus => -1.0,
            PadValue::Plus => 1.0,
        };
        let [_, _, height, width] = x.dims();
        let [_, _, kernel_height, kernel_width] = self.conv.weight.lazy_shape().dims();
        let kernel = [kernel_height, kernel_width];
        let [rows, columns] =
            padding_pairs(&self.padding, [height, width], kernel, self.conv.stride);
        let x = x.pad([rows, columns], PadMode::Constant(value));
        cni_ops::conv2d(&self.conv, x)
    }
}
