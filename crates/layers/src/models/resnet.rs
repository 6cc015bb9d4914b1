use super::block::Form;
use super::{Activation, Block, Norm, Normalize, NormalizeConfig};
use crate::{
    ActivationNoise, NoiseError, NoiseSummary, NoisyConv2d, NoisyLinear, count_parameters,
};
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::Tensor;
use cni_ops::{Chain, Epilogue};

/// The factor of the logits of an airbench network.
const AIRBENCH_SCALE: f32 = 1.0 / 9.0;

/// A network of convolutional blocks for small images, residual in all families but airbench. Made
/// by [`ResNetConfig`](super::ResNetConfig).
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ResNet {
    /// Pixels in [0, 1] to normalized values.
    pub normalize: Normalize,
    /// Noise on the normalized image.
    pub input: Option<ActivationNoise>,
    /// The stem.
    pub conv1: NoisyConv2d,
    /// The norm of the stem; pre-activation blocks bring their own, airbench has none there.
    pub bn1: Option<Norm>,
    /// First stage.
    pub layer1: Vec<Block>,
    /// Second stage, at half the resolution of the first.
    pub layer2: Vec<Block>,
    /// Third stage, at a quarter.
    pub layer3: Vec<Block>,
    /// Fourth stage, at an eighth, if there is one.
    pub layer4: Option<Vec<Block>>,
    /// The norm after the last pre-activation block.
    pub bn: Option<Norm>,
    /// The classifier.
    pub fc: NoisyLinear,
    #[module(skip)]
    pub(super) form: Form,
    #[module(skip)]
    pub(super) activation: Activation,
}

impl ResNet {
    /// Logits of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - logits: `[batch, classes]`
    ///
    /// # Panics
    ///
    /// If the images have another number of channels than the model.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.normalize.of_model(images, self.image_channels());
        if let Some(noise) = &self.input {
            x = noise.forward(x);
        }
        match self.form {
            Form::PostActivation | Form::PreActivation => self.fc.forward(self.body().run_mean(x)),
            Form::Pooled => {
                let x = self.body().run(x);
                let [batch, channels, ..] = x.dims();
                let largest = x.flatten::<3>(2, 3).max_dim(2).reshape([batch, channels]);
                self.fc.forward(largest).mul_scalar(AIRBENCH_SCALE)
            }
        }
    }

    /// The channels of the images.
    fn image_channels(&self) -> usize {
        self.conv1.conv.weight.lazy_shape()[1]
    }

    /// The layers between the normalized images and the pooling in front of the classifier.
    pub fn body<'a>(&'a self) -> Chain<'a> {
        let mut chain = Chain::new();
        let images = chain.input();
        let stem = |chain: &mut Chain<'a>, after| {
            Norm::chain_conv(self.bn1.as_ref(), &self.conv1, chain, images, after)
        };
        let mut x = match self.form {
            Form::PostActivation | Form::Pooled => self.activation.after(&mut chain, None, stem),
            Form::PreActivation => stem(&mut chain, Epilogue::default()),
        };
        let stages = [&self.layer1, &self.layer2, &self.layer3];
        for block in stages.into_iter().chain(&self.layer4).flatten() {
            x = block.chain(&mut chain, x);
        }
        if let Some(bn) = &self.bn {
            self.activation.after(&mut chain, None, |chain, after| bn.chain(chain, x, after));
        }
        chain
    }
}

impl ResNet {
    /// The model with another normalization, of as many channels.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if the normalization has another number of channels than the stem.
    pub fn with_normalization(mut self, config: &NormalizeConfig) -> Result<Self, NoiseError> {
        let channels = self.image_channels();
        if config.channels() != channels {
            let got = format!("{} channels for images of {channels}", config.channels());
            let wanted = "as many as the images have";
            return Err(NoiseError::Model { field: "normalization", got, wanted });
        }
        self.normalize = config.init(&self.conv1.conv.weight.lazy_device());
        Ok(self)
    }
}

impl ModuleDisplay for ResNet {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let noise = NoiseSummary::of(self);
        let blocks = [&self.layer1, &self.layer2, &self.layer3].into_iter().chain(&self.layer4);
        let blocks: Vec<usize> = blocks.map(Vec::len).collect();
        content
            .add_debug_attribute("blocks", &blocks)
            .add_debug_attribute("activation", &self.activation)
            .add("classes", &self.fc.linear.weight.dims()[1])
            .add("normalize", &self.normalize)
            .add("parameters", &count_parameters(self))
            .add("noise_parameters", &noise.parameters())
            .add("noise", &noise.to_string().replace('\n', "; "))
            .add("input", &self.input)
            .add("conv1", &self.conv1)
            .add("bn1", &self.bn1)
            .add("layer1", &self.layer1)
            .add("layer2", &self.layer2)
            .add("layer3", &self.layer3)
            .add("layer4", &self.layer4)
            .add("bn", &self.bn)
            .add("fc", &self.fc)
            .optional()
    }
}
