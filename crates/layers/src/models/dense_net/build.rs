//! Checks, channels and layers of a [`DenseNet`].

use super::{DenseConv, DenseNet, DenseNetConfig, DenseStem, DenseUnit, DenseUnits, Transition};
use crate::NoiseError;
use crate::binary::BinaryConv2dConfig;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;

/// The most channels of a stage.
const WIDEST: usize = 16_384;
/// The most units of a network, beyond any published.
const DEEPEST: usize = 1_000;

impl DenseNetConfig {
    /// The channels behind each stage, and behind each transition.
    fn plan(&self) -> Vec<[usize; 2]> {
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

    /// The model of settings that were checked.
    pub(super) fn build(&self, device: &Device) -> Result<DenseNet, NoiseError> {
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

    /// A unit whose input has so many channels.
    fn unit(
        &self,
        channels: usize,
        dilation: usize,
        device: &Device,
    ) -> Result<DenseUnit, NoiseError> {
        let conv = conv([channels, self.growth], 3, 1)
            .with_dilation([dilation; 2])
            .with_padding(PaddingConfig2d::Explicit(dilation, dilation, dilation, dilation));
        let conv = match self.units {
            DenseUnits::Binary { weights, input, pad } => {
                let config = BinaryConv2dConfig::new(conv).with_pad(pad).with_weights(weights);
                DenseConv::Binary(config.with_input(Some(input)).try_init(device)?)
            }
            DenseUnits::Full => DenseConv::Full(conv.init(device)),
        };
        Ok(DenseUnit { norm: BatchNormConfig::new(channels).init(device), conv })
    }

    /// Refuses settings that make no network.
    pub(super) fn check(&self) -> Result<(), NoiseError> {
        let wrong = |field, got: String, wanted| Err(NoiseError::Model { field, got, wanted });
        let stages = self.blocks.len();
        if stages == 0 || self.blocks.contains(&0) {
            return wrong("blocks", format!("{:?}", self.blocks), "one unit or more in each stage");
        }
        if self.blocks.iter().any(|&units| units > DEEPEST) || stages > DEEPEST {
            return wrong(
                "blocks",
                format!("{:?}", self.blocks),
                "at most 1,000 units in each stage",
            );
        }
        let fits = |channels: usize| (1..=WIDEST).contains(&channels);
        if !fits(self.channels) || !fits(self.growth) {
            let got = format!("{} channels and a growth of {}", self.channels, self.growth);
            return wrong("growth", got, "numbers above zero, at most 16,384");
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
        if self.plan().iter().any(|[dense, _]| *dense > WIDEST) {
            let got = format!("{} with units {:?}", self.growth, self.blocks);
            return wrong("growth", got, "at most 16,384 channels in every stage");
        }
        if self.dilations.len() != stages || self.dilations.contains(&0) {
            let got = format!("{:?} for {stages} stages", self.dilations);
            return wrong("dilations", got, "a number above zero for each stage");
        }
        if !(2..=1_000_000).contains(&self.classes) {
            return wrong("classes", self.classes.to_string(), "at least 2, at most 1,000,000");
        }
        let left = self.image_size.map(|size| {
            let size = match self.stem {
                DenseStem::Large => size.div_ceil(2).div_ceil(2),
                DenseStem::Small => size,
            };
            self.dilations.windows(2).fold(size, |size, pair| match pair[0] == pair[1] {
                true => size / 2,
                false => size,
            })
        });
        if left.contains(&0) {
            let wanted = "a size of which the poolings leave a pixel";
            return wrong("image_size", format!("{:?}", self.image_size), wanted);
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
