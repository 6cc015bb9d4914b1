//! Gradients of single examples, and the rules that follow the optimizer, in whole runs: the same
//! small noisy network with one rule after another.

mod per_example;
mod updates;

use crate::support::broken_off;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_data::{ImageData, Split, digits};
use cni_layers::{ActivationNoise, ActivationNoiseConfig, Granularity, WeightNoise, keyed_init};
use cni_noise::Key;
use cni_noise::laws::Multiplicative;
use cni_training::{
    Devices, Objective, Parallel, Progress, Schedule, Trained, Trainer, TrainingConfig,
    TrainingError,
};
use std::path::Path;

/// A convolution, a norm of single examples, noise on weights and on activations.
#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    norm: GroupNorm,
    noise: ActivationNoise,
    batch_norm: Option<BatchNorm>,
    out: Linear,
}

impl Net {
    fn new() -> Self {
        let device = Device::flex();
        let law = Multiplicative::new(Granularity::Channel, 0.1);
        let net = Self {
            conv: Conv2dConfig::new([1, 4], [3, 3]).init(&device),
            norm: GroupNormConfig::new(2, 4).init(&device),
            noise: ActivationNoiseConfig::new(law)
                .with_name("noise")
                .with_features([4])
                .init(&device),
            batch_norm: None,
            out: LinearConfig::new(4, 10).init(&device),
        };
        WeightNoise::colored(2).inject(keyed_init(net, Key::new(1)))
    }

    fn with_batch_norm(frozen: bool) -> Self {
        let norm = BatchNormConfig::new(4).init(&Device::flex());
        let norm = if frozen { norm.freeze() } else { norm };
        Self { batch_norm: Some(norm), ..Self::new() }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.norm.forward(self.conv.forward(images)));
        if let Some(norm) = &self.batch_norm {
            x = norm.forward(x);
        }
        let x = x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2);
        self.out.forward(self.noise.forward(x))
    }
}

fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(120).split_validation(24, Key::new(2)).unwrap()
}

/// Three epochs of three steps.
fn config() -> TrainingConfig {
    TrainingConfig {
        batch_size: 32,
        schedule: Schedule::constant(0.1),
        key: Key::new(3),
        ..TrainingConfig::new(3, Objective::clean())
    }
}

fn trainer(config: TrainingConfig, folder: &Path) -> Result<Trainer<Net>, TrainingError> {
    Ok(Trainer::new(config, folder)?.with_validation(data().1).with_progress(Progress::Quiet))
}

fn run_net(
    net: Net,
    devices: usize,
    config: TrainingConfig,
) -> Result<Trained<Net>, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi)?;
    trainer(config, folder.path())?.with_devices(devices).run(net, Net::forward, data().0)
}

fn run(config: TrainingConfig) -> Trained<Net> {
    run_net(Net::new(), 1, config).unwrap()
}

/// A run that is broken off after two of its three epochs, and then goes on.
fn resumed(config: impl Fn() -> TrainingConfig, passes_per_epoch: usize) -> Trained<Net> {
    let trainer = |folder: &Path| trainer(config(), folder).unwrap();
    let trains = |net: &Net, _: &Tensor<4>| net.out.bias.as_ref().unwrap().val().is_require_grad();
    let passes = 2 * passes_per_epoch;
    broken_off::resumed(trainer, Net::new, Net::forward, data().0, passes, trains)
}
