//! Two linear layers on the digits, with keyed weights, and runs of them.

use super::broken_off;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_data::{ImageData, Split, digits};
use cni_noise::{Key, normal_at};
use cni_training::{Objective, Progress, Trained, Trainer, TrainingConfig, TrainingError};
use std::path::Path;

#[derive(Module, Debug)]
pub struct Net {
    pub hidden: Linear,
    pub out: Linear,
}

impl Net {
    pub fn new() -> Self {
        let device = Device::flex();
        let linear = |name: &str, i, o| {
            let mut layer = LinearConfig::new(i, o).init(&device);
            let drawn = normal_at(Key::new(1).named(name), 0, [i, o], &layer.weight.val());
            layer.weight = Param::from_tensor(drawn.mul_scalar(0.2));
            layer.bias = layer.bias.map(|_| Param::from_tensor(Tensor::zeros([o], &device)));
            layer
        };
        Self { hidden: linear("hidden", 64, 16), out: linear("out", 16, 10) }
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.out.forward(relu(self.hidden.forward(images.flatten::<2>(1, 3))))
    }

    /// True in a training pass.
    pub fn trains(&self) -> bool {
        self.out.weight.val().is_autodiff()
    }
}

/// Images to train on, 192 of them, and 48 to judge by.
pub fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(240).split_validation(48, Key::new(2)).unwrap()
}

/// Three epochs of three steps.
pub fn config() -> TrainingConfig {
    TrainingConfig {
        batch_size: 64,
        key: Key::new(3),
        ..TrainingConfig::new(3, Objective::clean())
    }
}

pub fn trainer(config: TrainingConfig, folder: &Path) -> Trainer<Net> {
    let trainer = Trainer::new(config, folder).unwrap();
    trainer.with_validation(data().1).with_progress(Progress::Quiet)
}

pub fn run(config: TrainingConfig) -> Result<Trained<Net>, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    trainer(config, folder.path()).run(Net::new(), Net::forward, data().0)
}

/// A run that is broken off in the first step of its third epoch, and then goes on.
pub fn resumed(config: impl Fn() -> TrainingConfig) -> Trained<Net> {
    let trainer = |folder: &Path| trainer(config(), folder);
    let trains = |net: &Net, images: &Tensor<4>| images.is_autodiff() && net.trains();
    broken_off::resumed(trainer, Net::new, Net::forward, data().0, 6, trains)
}
