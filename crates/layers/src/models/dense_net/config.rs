//! The settings of a [`DenseNet`].

use super::{DenseNet, DenseUnit, Transition};
use crate::NoiseError;
use crate::binary::{BinaryConv2dConfig, PadValue, Quantizer};
use crate::models::NormalizeConfig;
use burn::config::Config;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

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
    Full,
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
    /// The dilation of the convolutions of each stage. Where it grows, the image does not shrink.
    pub dilations: Vec<usize>,
    /// The units.
    pub units: DenseUnits,
    /// Number of classes.
    pub classes: usize,
    /// The first layer; its number of channels is that of the images.
    pub normalize: NormalizeConfig,
}

impl Config for DenseNetConfig {}

impl DenseNetConfig {
    fn published(blocks: [usize; 4], reductions: [f64; 3], classes: usize) -> Self {
        let quantizer = Quantizer::dense_net();
        let units =
            DenseUnits::Binary { weights: quantizer, input: quantizer, pad: PadValue::Zero };
        Self {
            stem: DenseStem::Large,
            channels: 64,
            blocks: blocks.to_vec(),
            growth: 64,
            reductions: reductions.to_vec(),
            dilations: vec![1; 4],
            units,
            classes,
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
        Self { stem: DenseStem::Small, normalize: NormalizeConfig::cni(), ..self }
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

    /// Sets the normalization, whose channels are those of the images.
    pub fn with_normalization(self, normalize: NormalizeConfig) -> Self {
        Self { normalize, ..self }
    }

    /// The channels behind each stage, and behind each transition.
    pub(super) fn plan(&self) -> Vec<[usize; 2]> {
        let mut channels = self.channels;
        let mut plan = Vec::new();
        for (stage, units) in self.blocks.iter().enumerate() {
            let dense = channels + units * self.growth;
            channels = match self.reductions.get(stage) {
                Some(reduction) => {
                    let reduced = (dense as f64 / reduction).floor();
                    32 * (reduced / 32.0).round_ties_even() as usize
                }
                None => dense,
            };
            plan.push([dense, channels]);
        }
        plan
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
    /// the stages or leave no channels, for dilations that are not as many, for zero channels or
    /// growth, for fewer than two classes, and for a setting of a quantizer out of its range.
    pub fn try_init(&self, device: &Device) -> Result<DenseNet, NoiseError> {
        self.check()?;
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let images = self.normalize.channels();
        let (stem, stem_norm) = match self.stem {
            DenseStem::Large => (conv([images, self.channels], 7, 2), Some(norm(self.channels))),
            DenseStem::Small => (conv([images, self.channels], 3, 1), None),
        };
        let (mut stages, mut transitions) = (Vec::new(), Vec::new());
        let mut channels = self.channels;
        for (stage, [dense, reduced]) in self.plan().into_iter().enumerate() {
            let dilation = self.dilations[stage];
            let units = (0..self.blocks[stage])
                .map(|unit| self.unit(channels + unit * self.growth, dilation, device));
            stages.push(units.collect::<Result<Vec<_>, _>>()?);
            if stage + 1 < self.blocks.len() {
                let conv = conv([dense, reduced], 1, 1).init(device);
                let pools = self.dilations[stage + 1] == dilation;
                transitions.push(Transition { norm: norm(dense), conv, pools });
            }
            channels = reduced;
        }
        Ok(DenseNet {
            normalize: self.normalize.init(device),
            stem: stem.init(device),
            stem_norm,
            stages,
            transitions,
            norm: norm(channels),
            fc: LinearConfig::new(channels, self.classes).init(device),
        })
    }

    fn unit(
        &self,
        channels: usize,
        dilation: usize,
        device: &Device,
    ) -> Result<DenseUnit, NoiseError> {
        let conv = conv([channels, self.growth], 3, 1)
            .with_dilation([dilation; 2])
            .with_padding(PaddingConfig2d::Explicit(dilation, dilation, dilation, dilation));
        let (mut binary, mut full): (Option<_>, Option<Conv2d>) = (None, None);
        match self.units {
            DenseUnits::Binary { weights, input, pad } => {
                let config = BinaryConv2dConfig::new(conv).with_pad(pad).with_weights(weights);
                binary = Some(config.with_input(Some(input)).try_init(device)?);
            }
            DenseUnits::Full => full = Some(conv.init(device)),
        }
        Ok(DenseUnit { norm: BatchNormConfig::new(channels).init(device), binary, full })
    }

    fn check(&self) -> Result<(), NoiseError> {
        let wrong = |field, got: String, wanted| Err(NoiseError::Model { field, got, wanted });
        let stages = self.blocks.len();
        if stages == 0 || self.blocks.contains(&0) {
            return wrong("blocks", format!("{:?}", self.blocks), "one unit or more in each stage");
        }
        if self.channels == 0 || self.growth == 0 {
            let got = format!("{} channels and a growth of {}", self.channels, self.growth);
            return wrong("growth", got, "numbers above zero");
        }
        if self.reductions.len() + 1 != stages {
            let got = format!("{} for {stages} stages", self.reductions.len());
            return wrong("reductions", got, "one fewer than the stages");
        }
        let divides = |reduction: &f64| reduction.is_finite() && *reduction >= 1.0;
        if !self.reductions.iter().all(divides) || self.plan().iter().any(|[_, c]| *c == 0) {
            let wanted = "numbers of at least 1 that leave 32 channels or more";
            return wrong("reductions", format!("{:?}", self.reductions), wanted);
        }
        if self.dilations.len() != stages || self.dilations.contains(&0) {
            let got = format!("{:?} for {stages} stages", self.dilations);
            return wrong("dilations", got, "a number above zero for each stage");
        }
        if !(2..=1_000_000).contains(&self.classes) {
            return wrong("classes", self.classes.to_string(), "at least 2, at most 1,000,000");
        }
        Ok(())
    }
}

/// A convolution without a bias that keeps the image's size up to its stride.
fn conv(channels: [usize; 2], kernel: usize, stride: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
}
