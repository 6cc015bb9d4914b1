//! A small noisy convolutional network on the digits, and runs of it.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_data::{ImageData, Split, digits};
use cni_layers::models::{Normalize, NormalizeConfig};
use cni_layers::{ActivationNoise, ActivationNoiseConfig, Granularity, WeightNoise, keyed_init};
use cni_noise::{Key, NoiseScale};
use cni_training::{
    Objective, Progress, Schedule, Trained, Trainer, TrainingConfig, TrainingError,
};
use serde_json::{Value, json};
use std::path::Path;

/// What a network is built from: all that its weights do not tell.
#[derive(Clone)]
pub struct Settings {
    pub mean: f64,
    pub stride: usize,
    pub dropout: f64,
    pub scale: NoiseScale,
    pub activation: ActivationNoiseConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mean: 0.5,
            stride: 1,
            dropout: 0.0,
            scale: NoiseScale::Relative,
            activation: ActivationNoiseConfig::white(Granularity::Layer),
        }
    }
}

#[derive(Module, Debug)]
pub struct Net {
    normalize: Normalize,
    conv: Conv2d,
    noise: ActivationNoise,
    dropout: Dropout,
    out: Linear,
}

impl Net {
    pub fn new(settings: &Settings) -> Self {
        Self::with_outputs(settings, 10)
    }

    pub fn with_outputs(settings: &Settings, outputs: usize) -> Self {
        let device = Device::flex();
        let stride = [settings.stride; 2];
        let net = Self {
            normalize: NormalizeConfig::new(&[settings.mean], &[0.5]).init(&device),
            conv: Conv2dConfig::new([1, 4], [3, 3]).with_stride(stride).init(&device),
            noise: settings.activation.clone().with_name("noise").with_features([4]).init(&device),
            dropout: DropoutConfig::new(settings.dropout).init(),
            out: LinearConfig::new(4, outputs).init(&device),
        };
        let noise = WeightNoise::colored(2).with_scale(settings.scale);
        noise.inject(keyed_init(net, Key::new(1)))
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv.forward(self.normalize.forward(images)));
        let x = x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2);
        self.out.forward(self.dropout.forward(self.noise.forward(x)))
    }
}

pub fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(160).split_validation(32, Key::new(2)).unwrap()
}

pub fn config(epochs: usize) -> TrainingConfig {
    TrainingConfig {
        batch_size: 64,
        schedule: Schedule::constant(0.1),
        key: Key::new(3),
        ..TrainingConfig::new(epochs, Objective::clean())
    }
}

pub fn trainer(config: TrainingConfig, folder: &Path, note: &Value) -> Trainer<Net> {
    let trainer = Trainer::new(config, folder).unwrap().with_progress(Progress::Quiet);
    trainer.with_model_config(note).unwrap()
}

pub fn run(
    config: TrainingConfig,
    folder: &Path,
    settings: &Settings,
    resume: bool,
) -> Result<Trained<Net>, TrainingError> {
    let ((train, validation), net) = (data(), Net::new(settings));
    let trainer = trainer(config, folder, &json!({"width": 4}));
    trainer.with_validation(validation).resume(resume).run(net, Net::forward, train)
}
