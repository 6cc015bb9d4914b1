use super::{Block, Downsample, Normalize};
use crate::{
    ActivationNoise, ActivationNoiseConfig, Granularity, LayerNoise, NoiseError, NoiseSummary,
    NoisyConv2d, NoisyConv2dConfig, NoisyLinear, NoisyLinearConfig, WeightNoise, count_parameters,
};
use burn::module::{Content, Module, ModuleDisplay};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// How a block whose shape changes connects its input to its output (He et al., CVPR 2016, section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shortcut {
    /// Option A: every other pixel, and zeros for the added channels. PNI's models.
    Pad,
    /// Option B: a 1x1 convolution and batch norm. CNI's models.
    Projection,
}

/// The family of a [`ResNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// The CIFAR networks: depth 6n + 2 (20, 32, 44, 56, 110), three stages of 16, 32 and 64 channels.
    Cifar {
        /// Depth, 6n + 2.
        depth: usize,
        /// The kind of shortcut.
        shortcut: Shortcut,
    },
    /// ResNet-18 with a 3x3 stem for 32x32 images: four stages of 64 to 512 channels, shortcut B.
    ResNet18,
    /// ResNet-18 of pre-activation blocks.
    PreActResNet18,
}

impl Architecture {
    /// Blocks of each stage and channels of the first; each stage doubles them.
    fn stages(self) -> (Vec<usize>, usize) {
        match self {
            Self::Cifar { depth, .. } => (vec![depth.saturating_sub(2) / 6; 3], 16),
            Self::ResNet18 | Self::PreActResNet18 => (vec![2; 4], 64),
        }
    }
}

/// Where a [`ResNet`] is noisy. Noise is configuration of a model, not another model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModelNoise {
    /// Noise on the normalized input image: PNI-I.
    pub input: Option<ActivationNoiseConfig>,
    /// Noise on the weights of all convolutions, the stem and shortcuts included.
    pub weight: Option<WeightNoise>,
    /// Noise on the weight of the last, linear layer.
    pub classifier: Option<WeightNoise>,
    /// Noise on the inputs of all convolutions but the stem: PNI's A-b.
    pub conv_input: Option<ActivationNoiseConfig>,
    /// Noise on the outputs of all convolutions but the stem: PNI's A-a.
    pub conv_output: Option<ActivationNoiseConfig>,
}

impl ModelNoise {
    /// No noise.
    pub fn none() -> Self {
        Self::default()
    }

    /// PNI-W: white noise on every weight, the classifier's included.
    pub fn pni(granularity: Granularity) -> Self {
        let noise = Some(WeightNoise::white(granularity));
        Self { weight: noise.clone(), classifier: noise, ..Self::none() }
    }

    /// CNI-W as in the reference: colored noise on every convolution, white element-wise noise on the classifier.
    pub fn cni(rank: usize) -> Self {
        Self {
            weight: Some(WeightNoise::colored(rank)),
            classifier: Some(WeightNoise::white(Granularity::Element)),
            ..Self::none()
        }
    }

    /// Adds noise to the normalized input image.
    pub fn with_input(mut self, noise: ActivationNoiseConfig) -> Self {
        self.input = Some(noise);
        self
    }

    /// Adds noise to the inputs of the convolutions.
    pub fn with_conv_input(mut self, noise: ActivationNoiseConfig) -> Self {
        self.conv_input = Some(noise);
        self
    }

    /// Adds noise to the outputs of the convolutions.
    pub fn with_conv_output(mut self, noise: ActivationNoiseConfig) -> Self {
        self.conv_output = Some(noise);
        self
    }

    fn stem(&self) -> LayerNoise {
        LayerNoise { weight: self.weight.clone(), ..LayerNoise::none() }
    }

    fn conv(&self) -> LayerNoise {
        LayerNoise {
            weight: self.weight.clone(),
            input: self.conv_input.clone(),
            output: self.conv_output.clone(),
        }
    }

    fn linear(&self) -> LayerNoise {
        LayerNoise { weight: self.classifier.clone(), ..LayerNoise::none() }
    }
}

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
#[derive(Clone, Debug)]
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
    pub normalize: Normalize,
    /// Where the model is noisy.
    pub noise: ModelNoise,
}

impl ResNetConfig {
    /// A CIFAR ResNet with shortcut B for 32x32 color images, as in CNI's code.
    pub fn cifar(depth: usize, classes: usize) -> Self {
        Self::new(Architecture::Cifar { depth, shortcut: Shortcut::Projection }, classes)
    }

    /// Any architecture, for 32x32 color images.
    pub fn new(architecture: Architecture, classes: usize) -> Self {
        Self {
            architecture,
            width: 1.0,
            classes,
            image_size: [32, 32],
            normalize: Normalize::cifar(),
            noise: ModelNoise::none(),
        }
    }

    /// Sets the width multiplier.
    pub fn with_width(mut self, width: f64) -> Self {
        self.width = width;
        self
    }

    /// Sets the size of the images and the normalization, whose channels are those of the images.
    pub fn with_images(mut self, size: [usize; 2], normalize: Normalize) -> Self {
        (self.image_size, self.normalize) = (size, normalize);
        self
    }

    /// Sets where the model is noisy.
    pub fn with_noise(mut self, noise: ModelNoise) -> Self {
        self.noise = noise;
        self
    }

    /// The model, its weights drawn lazily by Burn; [`keyed_init`](crate::keyed_init) makes them a function of a key.
    ///
    /// # Panics
    ///
    /// - Where the depth of a CIFAR ResNet is not 6n + 2 with n above 0, `classes` is below 2, or `width` is not a finite
    ///   number that leaves at least one channel.
    /// - Where a noise does not fit, with the message of its [`NoiseError`].
    pub fn init(&self, device: &Device) -> ResNet {
        if let Architecture::Cifar { depth, .. } = self.architecture {
            assert!(depth >= 8 && depth % 6 == 2, "depth: got {depth}, wanted 6n + 2 with n > 0");
        }
        assert!(self.classes >= 2, "classes: got {}, wanted at least 2", self.classes);
        let (_, base) = self.architecture.stages();
        assert!(
            self.width.is_finite() && self.channels(base) >= 1,
            "width: got {}, wanted a finite number that leaves at least one of {base} channels",
            self.width
        );
        self.build(device).unwrap_or_else(|error| panic!("{error}"))
    }

    fn channels(&self, base: usize) -> usize {
        (base as f64 * self.width).round() as usize
    }

    fn build(&self, device: &Device) -> Result<ResNet, NoiseError> {
        let (blocks, base) = self.architecture.stages();
        let pre_activation = self.architecture == Architecture::PreActResNet18;
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let [height, width] = self.image_size;
        let image_channels = self.normalize.mean().len();

        let mut channels = self.channels(base);
        let mut size = self.image_size;
        let conv1 = conv([image_channels, channels], 3, 1, size)
            .with_noise(self.noise.stem())
            .try_init("conv1", device)?;
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
            normalize: self.normalize.clone(),
            input: match &self.noise.input {
                Some(noise) => {
                    Some(noise.try_init("input", &[image_channels, height, width], device)?)
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
                .with_noise(self.noise.linear())
                .try_init("fc", device)?,
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
            let config = config.clone().with_noise(self.noise.conv());
            config.try_init(&format!("{path}.{name}"), device)
        };
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let pre_activation = self.architecture == Architecture::PreActResNet18;
        let first = conv([channels, out], 3, stride, *size);
        let second = conv([out, out], 3, 1, first.output_size());
        let changes = stride > 1 || channels != out;
        let pads = matches!(self.architecture, Architecture::Cifar { shortcut: Shortcut::Pad, .. });
        let downsample = if changes && !pads {
            let projection = conv([channels, out], 1, stride, *size);
            Some(Downsample {
                conv: make("downsample", &projection)?,
                bn: (!pre_activation).then(|| norm(out)),
            })
        } else {
            None
        };
        *size = first.output_size();
        Ok(Block {
            conv1: make("conv1", &first)?,
            bn1: norm(if pre_activation { channels } else { out }),
            conv2: make("conv2", &second)?,
            bn2: norm(out),
            downsample,
            pre_activation,
            pad: (changes && pads).then_some([stride, out - channels]),
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

/// A residual network for small images. Made by [`ResNetConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ResNet {
    /// Pixels in [0, 1] to normalized values.
    pub normalize: Normalize,
    /// Noise on the normalized image.
    pub input: Option<ActivationNoise>,
    /// The stem.
    pub conv1: NoisyConv2d,
    /// Batch norm of the stem; pre-activation blocks bring their own.
    pub bn1: Option<BatchNorm>,
    /// First stage.
    pub layer1: Vec<Block>,
    /// Second stage, at half the resolution.
    pub layer2: Vec<Block>,
    /// Third stage, at a quarter.
    pub layer3: Vec<Block>,
    /// Fourth stage, at an eighth, where there is one.
    pub layer4: Option<Vec<Block>>,
    /// Batch norm after the last pre-activation block.
    pub bn: Option<BatchNorm>,
    /// The classifier.
    pub fc: NoisyLinear,
}

impl ResNet {
    /// Logits of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.normalize.forward(images);
        if let Some(noise) = &self.input {
            x = noise.forward(x);
        }
        x = self.conv1.forward(x);
        if let Some(bn) = &self.bn1 {
            x = relu(bn.forward(x));
        }
        let stages = [&self.layer1, &self.layer2, &self.layer3];
        for block in stages.into_iter().chain(&self.layer4).flatten() {
            x = block.forward(x);
        }
        if let Some(bn) = &self.bn {
            x = relu(bn.forward(x));
        }
        let [batch, channels, _, _] = x.dims();
        self.fc.forward(x.mean_dims(&[2, 3]).reshape([batch, channels]))
    }
}

impl ModuleDisplay for ResNet {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let noise = NoiseSummary::of(self);
        let blocks = [&self.layer1, &self.layer2, &self.layer3].into_iter().chain(&self.layer4);
        let blocks: Vec<usize> = blocks.map(Vec::len).collect();
        content
            .add_debug_attribute("blocks", &blocks)
            .add("classes", &self.fc.linear.weight.dims()[1])
            .add("parameters", &count_parameters(self))
            .add("noise_parameters", &noise.parameters())
            .add("noise", &noise.to_string().replace('\n', "; "))
            .optional()
    }
}
