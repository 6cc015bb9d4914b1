//! The settings of a [`DenseNet`].

use super::DenseNet;
use crate::NoiseError;
use crate::binary::{PadValue, Quantizer, no_fields};
use crate::models::NormalizeConfig;
use burn::config::Config;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The first layers of a dense network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DenseStem {
    /// A 7x7 convolution of stride 2, batch norm, rectifier and a 3x3 pooling of stride 2, for
    /// images of ImageNet.
    Large,
    /// A 3x3 convolution, for images of CIFAR's size.
    Small,
}

/// The units of a dense network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "units", rename_all = "lowercase", deny_unknown_fields)]
pub enum DenseUnits {
    /// Batch norm, sign, convolution of signs.
    Binary {
        /// The quantizer of the weights.
        weights: Quantizer,
        /// The quantizer of the inputs.
        input: Quantizer,
        /// The value of the pixels around an input.
        pad: PadValue,
    },
    /// Batch norm, rectifier, convolution, in full precision.
    #[serde(deserialize_with = "no_fields")]
    Full,
}

impl DenseUnits {
    /// The binary units of the published models.
    pub const fn binary() -> Self {
        let quantizer = Quantizer::dense_net();
        Self::Binary { weights: quantizer, input: quantizer, pad: PadValue::Zero }
    }
}

/// Configures [`DenseNet`].
///
/// ```
/// use cni_layers::count_parameters;
/// use cni_layers::models::DenseNetConfig;
/// # let device = burn::tensor::Device::flex();
/// let model = DenseNetConfig::binary_28(1000).init(&device);
/// assert_eq!(count_parameters(&model), 5_131_496);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseNetConfig {
    /// The first layers.
    pub stem: DenseStem,
    /// The channels of the first convolution.
    pub channels: usize,
    /// The units of each stage.
    pub blocks: Vec<usize>,
    /// The channels that a unit adds.
    pub growth: usize,
    /// The divisor of the channels behind each stage but the last, to the nearest multiple of 32.
    pub reductions: Vec<f64>,
    /// The dilation of the convolutions of each stage, at least 1. Between two stages of different
    /// dilations the image does not shrink.
    pub dilations: Vec<usize>,
    /// The units.
    pub units: DenseUnits,
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the images. A pixel of them must be left behind the last pooling.
    pub image_size: [usize; 2],
    /// The first layer; its number of channels is that of the images.
    pub normalize: NormalizeConfig,
}

impl Config for DenseNetConfig {}

impl DenseNetConfig {
    fn published(blocks: [usize; 4], reductions: [f64; 3], classes: usize) -> Self {
        Self {
            stem: DenseStem::Large,
            channels: 64,
            blocks: blocks.to_vec(),
            growth: 64,
            reductions: reductions.to_vec(),
            dilations: vec![1; 4],
            units: DenseUnits::binary(),
            classes,
            image_size: [224, 224],
            normalize: NormalizeConfig::imagenet(),
        }
    }

    /// BinaryDenseNet-28, for images of ImageNet.
    pub fn binary_28(classes: usize) -> Self {
        Self::published([6, 6, 6, 5], [2.7, 2.7, 2.2], classes)
    }

    /// BinaryDenseNet-37.
    pub fn binary_37(classes: usize) -> Self {
        Self::published([6, 8, 12, 6], [3.3, 3.3, 4.0], classes)
    }

    /// BinaryDenseNet-37 with dilated convolutions in its last two stages.
    pub fn binary_37_dilated(classes: usize) -> Self {
        Self { dilations: vec![1, 1, 2, 4], ..Self::binary_37(classes) }
    }

    /// BinaryDenseNet-45.
    pub fn binary_45(classes: usize) -> Self {
        Self::published([6, 12, 14, 8], [2.7, 3.3, 4.0], classes)
    }

    /// The same network for 32x32 color images, with CNI's normalization.
    pub fn for_cifar(self) -> Self {
        Self { stem: DenseStem::Small, ..self }.with_images([32, 32], NormalizeConfig::cni())
    }

    /// Sets the units of each stage, with dilations of one.
    pub fn with_blocks(
        self,
        blocks: impl Into<Vec<usize>>,
        reductions: impl Into<Vec<f64>>,
    ) -> Self {
        let blocks = blocks.into();
        Self { dilations: vec![1; blocks.len()], blocks, reductions: reductions.into(), ..self }
    }

    /// Sets the channels that a unit adds.
    pub fn with_growth(self, growth: usize) -> Self {
        Self { growth, ..self }
    }

    /// Sets the kind of the units.
    pub fn with_units(self, units: DenseUnits) -> Self {
        Self { units, ..self }
    }

    /// Sets the channels of the first convolution.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// Sets the size of the images and the normalization, whose channels are those of the images.
    pub fn with_images(self, size: [usize; 2], normalize: NormalizeConfig) -> Self {
        Self { image_size: size, normalize, ..self }
    }

    /// The model.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> DenseNet {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for stages without units, for reductions that are not one fewer than
    /// the stages or leave no channels, for dilations that are not as many, for channels or a
    /// growth of zero or so many that a stage has more than 16,384 channels, for images that the
    /// poolings leave no pixel of, for fewer than two classes, and for a setting of a quantizer out
    /// of its range.
    pub fn try_init(&self, device: &Device) -> Result<DenseNet, NoiseError> {
        self.check()?;
        self.build(device)
    }
}

/// `dense network of 6, 6, 6 and 5 binary units, growth 64, 64 channels first`
impl fmt::Display for DenseNetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = match self.units {
            DenseUnits::Binary { .. } => "binary units",
            DenseUnits::Full => "units in full precision",
        };
        let blocks: Vec<String> = self.blocks.iter().map(usize::to_string).collect();
        let blocks = match blocks.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, before)) => format!("{} and {last}", before.join(", ")),
            None => "no".to_string(),
        };
        let (growth, channels) = (self.growth, self.channels);
        write!(f, "dense network of {blocks} {units}, growth {growth}, {channels} channels first")
    }
}
