//! Stages, sizes and layer names of a [`ResNet`]. One file, because each follows from the others.

use super::{Architecture, Block, Downsample, ModelNoise, NormalizeConfig, ResNet, Shortcut};
use crate::{NoiseError, NoisyConv2dConfig, NoisyLinearConfig};
use burn::config::Config;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, Initializer, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// The most channels of a stage: beyond any published network, and below what no memory holds.
const WIDEST: usize = 16_384;

/// Configures a [`ResNet`].
///
/// ```
/// use cni_layers::models::{ModelNoise, ResNetConfig};
/// use cni_layers::{count_parameters, keyed_init};
/// use cni_noise::Key;
/// # let device = burn::tensor::Device::flex();
/// let config = ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(5));
/// let model = keyed_init(config.init(&device), Key::new(42));
/// assert_eq!(count_parameters(&model), 1_894_650);
/// ```
///
/// The configuration saves and loads, so that a folder with it and with the weights is enough to
/// have the model again. A file with a setting or a value that is not known is refused.
///
/// ```
/// use burn::config::Config;
/// use cni_layers::models::ResNetConfig;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.json");
/// let config = ResNetConfig::cifar(20, 10);
/// config.save(&path).unwrap();
/// assert_eq!(ResNetConfig::load(&path).unwrap(), config);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// The family.
    pub architecture: Architecture,
    /// Multiplies the channels of every stage.
    pub width: f64,
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the images. Only noise on activations needs them.
    pub image_size: [usize; 2],
    /// The first layer; its number of channels is that of the images.
    pub normalize: NormalizeConfig,
    /// The noise of the model, place by place.
    pub noise: ModelNoise,
}

impl Config for ResNetConfig {}

impl ResNetConfig {
    /// A CIFAR ResNet with shortcut B for 32x32 color images, as in CNI's code.
    pub fn cifar(depth: usize, classes: usize) -> Self {
        Self::new(Architecture::cifar(depth), classes)
    }

    /// Any architecture, for 32x32 color images, with the normalization of CNI's code.
    pub fn new(architecture: Architecture, classes: usize) -> Self {
        Self {
            architecture,
            width: 1.0,
            classes,
            image_size: [32, 32],
            normalize: NormalizeConfig::cni(),
            noise: ModelNoise::none(),
        }
    }

    /// Sets the width multiplier.
    pub fn with_width(mut self, width: f64) -> Self {
        self.width = width;
        self
    }

    /// Sets the size of the images and the normalization, whose channels are those of the images.
    pub fn with_images(mut self, size: [usize; 2], normalize: NormalizeConfig) -> Self {
        (self.image_size, self.normalize) = (size, normalize);
        self
    }

    /// Sets the normalization, whose channels are those of the images.
    pub fn with_normalization(mut self, normalize: NormalizeConfig) -> Self {
        self.normalize = normalize;
        self
    }

    /// Sets the noise of the model.
    pub fn with_noise(mut self, noise: ModelNoise) -> Self {
        self.noise = noise;
        self
    }

    /// The model, its weights drawn lazily by Burn; [`keyed_init`](crate::keyed_init) makes them a
    /// function of a key.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> ResNet {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if the depth of a CIFAR ResNet is not 6n + 2 with n from 1 to 1,000,
    /// `classes` is not from 2 to 1,000,000, `image_size` is zero, or `width` does not leave from 1
    /// to 16,384 channels in every stage; the other variants if a noise does not fit.
    pub fn try_init(&self, device: &Device) -> Result<ResNet, NoiseError> {
        let wrong = |field, got: String, wanted| Err(NoiseError::Model { field, got, wanted });
        if let Architecture::Cifar { depth, .. } = self.architecture
            && !(depth % 6 == 2 && (1..=1_000).contains(&(depth / 6)))
        {
            return wrong("depth", depth.to_string(), "6n + 2 with n > 0, at most 1,000");
        }
        if !(2..=1_000_000).contains(&self.classes) {
            return wrong("classes", self.classes.to_string(), "at least 2, at most 1,000,000");
        }
        if self.image_size.contains(&0) {
            return wrong("image_size", format!("{:?}", self.image_size), "sizes above zero");
        }
        let (stages, base) = self.architecture.stages();
        let widest = self.channels(base << (stages.len() - 1));
        if !self.width.is_finite() || self.channels(base) < 1 || widest > WIDEST {
            let wanted = "a finite number that leaves 1 to 16,384 channels in every stage";
            return wrong("width", self.width.to_string(), wanted);
        }
        self.build(device)
    }

    fn channels(&self, base: usize) -> usize {
        (base as f64 * self.width).round() as usize
    }

    fn build(&self, device: &Device) -> Result<ResNet, NoiseError> {
        let (blocks, base) = self.architecture.stages();
        let pre_activation = self.architecture == Architecture::PreActResNet18;
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let [height, width] = self.image_size;
        let image_channels = self.normalize.channels();

        let mut channels = self.channels(base);
        let mut size = self.image_size;
        let conv1 = conv([image_channels, channels], 3, 1, size)
            .with_noise(self.noise.stem().with_name("conv1"))
            .try_init(device)?;
        let stem_channels = channels;
        let mut stages = Vec::new();
        for (stage, &count) in blocks.iter().enumerate() {
            let out = self.channels(base << stage);
            let mut layer = Vec::new();
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let path = format!("layer{}.{block}", stage + 1);
                layer.push(self.block(&path, [channels, out], stride, &mut size, device)?);
                channels = out;
            }
            stages.push(layer);
        }
        let mut stages = stages.into_iter();
        let mut stage = || stages.next();
        Ok(ResNet {
            normalize: self.normalize.init(device),
            input: match &self.noise.input {
                Some(noise) => {
                    let features = [image_channels, height, width];
                    Some(noise.within("", "input", &features).try_init(device)?)
                }
                None => None,
            },
            conv1,
            bn1: (!pre_activation).then(|| norm(stem_channels)),
            layer1: stage().unwrap_or_default(),
            layer2: stage().unwrap_or_default(),
            layer3: stage().unwrap_or_default(),
            layer4: stage(),
            bn: pre_activation.then(|| norm(channels)),
            fc: NoisyLinearConfig::new(LinearConfig::new(channels, self.classes))
                .with_noise(self.noise.linear().with_name("fc"))
                .try_init(device)?,
        })
    }

    /// A block; `size` becomes that of its output.
    fn block(
        &self,
        path: &str,
        [channels, out]: [usize; 2],
        stride: usize,
        size: &mut [usize; 2],
        device: &Device,
    ) -> Result<Block, NoiseError> {
        let make = |name: &str, config: &NoisyConv2dConfig| {
            let noise = self.noise.conv().with_name(format!("{path}.{name}"));
            config.clone().with_noise(noise).try_init(device)
        };
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let pre_activation = self.architecture == Architecture::PreActResNet18;
        let first = conv([channels, out], 3, stride, *size);
        let second = conv([out, out], 3, 1, first.try_output_size()?);
        let changes = stride > 1 || channels != out;
        let added = out.saturating_sub(channels);
        let pad = match self.architecture.shortcut() {
            Shortcut::PadEnd => Some([stride, 0, added]),
            Shortcut::PadBoth => Some([stride, added / 2, added - added / 2]),
            Shortcut::Projection => None,
        };
        let downsample = if changes && pad.is_none() {
            let projection = conv([channels, out], 1, stride, *size);
            Some(Downsample {
                conv: make("downsample", &projection)?,
                bn: (!pre_activation).then(|| norm(out)),
            })
        } else {
            None
        };
        *size = first.try_output_size()?;
        Ok(Block {
            conv1: make("conv1", &first)?,
            bn1: norm(if pre_activation { channels } else { out }),
            conv2: make("conv2", &second)?,
            bn2: norm(out),
            downsample,
            pre_activation,
            pad: pad.filter(|_| changes),
        })
    }
}

/// A convolution without bias that keeps the image's size up to its stride.
fn conv(
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    image_size: [usize; 2],
) -> NoisyConv2dConfig {
    let pad = kernel / 2;
    let conv = Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .with_initializer(Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
            fan_out_only: false,
        });
    NoisyConv2dConfig::new(conv, image_size)
}
