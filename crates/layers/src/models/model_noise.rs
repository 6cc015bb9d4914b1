use crate::{ActivationNoiseConfig, Granularity, LayerNoise, WeightNoise};
use burn::config::Config;
use cni_noise::laws::NoiseScale;
use serde::{Deserialize, Serialize};

/// The noise of a [`ResNet`](super::ResNet), place by place. Noise is configuration of a model, not
/// another model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl Config for ModelNoise {}

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

    /// CNI-W as in the reference: colored noise on every convolution, white element-wise noise on
    /// the classifier.
    pub fn cni(rank: usize) -> Self {
        Self {
            weight: Some(WeightNoise::colored(rank)),
            classifier: Some(WeightNoise::white(Granularity::Element)),
            ..Self::none()
        }
    }

    /// Adds noise to the weights of all convolutions.
    pub fn with_weight(mut self, noise: WeightNoise) -> Self {
        self.weight = Some(noise);
        self
    }

    /// Adds noise to the weight of the last, linear layer.
    pub fn with_classifier(mut self, noise: WeightNoise) -> Self {
        self.classifier = Some(noise);
        self
    }

    /// Sets the scale of every noise that there is by now.
    pub fn with_scale(mut self, scale: NoiseScale) -> Self {
        for noise in [&mut self.weight, &mut self.classifier] {
            *noise = noise.take().map(|noise| noise.with_scale(scale));
        }
        for noise in [&mut self.input, &mut self.conv_input, &mut self.conv_output] {
            *noise = noise.take().map(|noise| noise.with_scale(scale));
        }
        self
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

    pub(super) fn stem(&self) -> LayerNoise {
        LayerNoise { weight: self.weight.clone(), ..LayerNoise::none() }
    }

    pub(super) fn conv(&self) -> LayerNoise {
        LayerNoise {
            weight: self.weight.clone(),
            input: self.conv_input.clone(),
            output: self.conv_output.clone(),
            ..LayerNoise::none()
        }
    }

    pub(super) fn linear(&self) -> LayerNoise {
        LayerNoise { weight: self.classifier.clone(), ..LayerNoise::none() }
    }
}
