//! Stages, sizes and layer names of a [`ResNet`]. One file, because each follows from the others.

use super::architecture::Stem;
use super::block::Form;
use super::{Block, Downsample, ResNet, ResNetConfig, Shortcut};
use crate::{NoiseError, NoisyConv2dConfig, NoisyLinearConfig};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{Initializer, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;

impl ResNetConfig {
    /// The model of settings that were checked.
    pub(super) fn build(&self, device: &Device) -> Result<ResNet, NoiseError> {
        let (plan, form) = (self.architecture.stages(), self.architecture.form());
        let norm = |channels| self.norm.init(channels, device);
        let [height, width] = self.image_size;
        let image_channels = self.normalize.channels();

        let stem = self.architecture.stem(image_channels, self.channels(plan[0][1]));
        let Stem { mut channels, kernel, padding, bias } = stem;
        let mut first = self.conv([image_channels, channels], kernel, 1, self.image_size);
        first.conv.padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        first.conv.bias = bias;
        let mut size = first.try_output_size()?;
        let conv1 = first.with_noise(self.noise.stem().with_name("conv1")).try_init(device)?;
        let stem_channels = channels;
        let mut stages = Vec::new();
        for (stage, &[count, base]) in plan.iter().enumerate() {
            let out = self.channels(base);
            let mut layer = Vec::new();
            for block in 0..count {
                let stride = if stage > 0 && block == 0 && form != Form::Pooled { 2 } else { 1 };
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
            bn1: (form == Form::PostActivation).then(|| norm(stem_channels)),
            layer1: stage().unwrap_or_default(),
            layer2: stage().unwrap_or_default(),
            layer3: stage().unwrap_or_default(),
            layer4: stage(),
            bn: (form == Form::PreActivation).then(|| norm(channels)),
            fc: {
                let linear = LinearConfig::new(channels, self.classes);
                NoisyLinearConfig::new(linear.with_bias(form != Form::Pooled))
                    .with_noise(self.noise.linear().with_name("fc"))
                    .try_init(device)?
            },
            form,
            activation: self.activation(),
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
        let norm = |channels| self.norm.init(channels, device);
        let form = self.architecture.form();
        let first = self.conv([channels, out], 3, stride, *size);
        let mut between = first.try_output_size()?;
        if form == Form::Pooled {
            between = between.map(|side| side / 2);
        }
        let second = self.conv([out, out], 3, 1, between);
        let changes = form != Form::Pooled && (stride > 1 || channels != out);
        let added = out.saturating_sub(channels);
        let pad = match self.architecture.shortcut() {
            Shortcut::PadEnd => Some([stride, 0, added]),
            Shortcut::PadBoth => Some([stride, added / 2, added - added / 2]),
            Shortcut::Projection => None,
        };
        let downsample = if changes && pad.is_none() {
            let projection = self.conv([channels, out], 1, stride, *size);
            Some(Downsample {
                conv: make("downsample", &projection)?,
                bn: (form == Form::PostActivation).then(|| norm(out)),
            })
        } else {
            None
        };
        *size = between;
        Ok(Block {
            conv1: make("conv1", &first)?,
            bn1: norm(if form == Form::PreActivation { channels } else { out }),
            conv2: make("conv2", &second)?,
            bn2: norm(out),
            downsample,
            form,
            activation: self.activation(),
            pad: pad.filter(|_| changes),
        })
    }
    /// A convolution without bias that keeps the image's size up to its stride.
    fn conv(
        &self,
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
        let conv = NoisyConv2dConfig::new(conv, image_size);
        #[cfg(feature = "band-limited")]
        let conv = conv.with_band(self.band.clone());
        conv
    }
}
