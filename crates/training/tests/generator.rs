//! Layers of Burn's own that draw from the device's generator. A program of its own: the generator
//! belongs to the process, and tests beside would draw from it too.

#[path = "training/support/numbers.rs"]
mod numbers;

use burn::module::{Module, Param};
use burn::nn::activation::{RRelu, RReluConfig};
use burn::nn::{Dropout, DropoutConfig, GaussianNoise, GaussianNoiseConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_data::{Split, digits};
use cni_noise::{Key, normal_at};
use cni_training::{Objective, Progress, Trained, Trainer, TrainingConfig, TrainingError};
use numbers::numbers;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    rectifier: RRelu,
    dropout: Dropout,
    noise: GaussianNoise,
    out: Linear,
}

impl Net {
    fn new() -> Self {
        let device = Device::flex();
        let linear = |name: &str, i, o| {
            let mut layer = LinearConfig::new(i, o).with_bias(false).init(&device);
            let drawn = normal_at(Key::new(1).named(name), 0, [i, o], &layer.weight.val());
            layer.weight = Param::from_tensor(drawn.mul_scalar(0.2));
            layer
        };
        Self {
            hidden: linear("hidden", 64, 32),
            rectifier: RReluConfig::new().init(),
            dropout: DropoutConfig::new(0.3).init(),
            noise: GaussianNoiseConfig::new(0.2).init(),
            out: linear("out", 32, 10),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.rectifier.forward(self.hidden.forward(images.flatten::<2>(1, 3)));
        self.out.forward(self.noise.forward(self.dropout.forward(x)))
    }
}

/// Four epochs of three steps. A broken run stops in the first step of the third epoch.
fn run(folder: &Path, resume: bool, broken: bool) -> Result<Trained<Net>, TrainingError> {
    let passes = AtomicUsize::new(0);
    let forward = move |net: &Net, images: Tensor<4>| {
        let trains = net.hidden.weight.val().is_autodiff();
        let pass = passes.fetch_add(usize::from(trains), Ordering::Relaxed);
        let logits = net.forward(images);
        // Two passes in each step.
        if broken && trains && pass >= 2 * 3 * 2 { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let (train, validation) =
        digits(Split::Train).take(200).split_validation(40, Key::new(2)).unwrap();
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let config = TrainingConfig {
        batch_size: 64,
        validation_attack: Some(Arc::new(attack.clone())),
        key: Key::new(3),
        ..TrainingConfig::new(4, Objective::half_and_half(attack))
    };
    Trainer::new(config, folder)?
        .with_validation(validation)
        .with_progress(Progress::Quiet)
        .resume(resume)
        .run(Net::new(), forward, train)
}

#[test]
fn a_stopped_run_with_layers_of_burns_that_draw_resumes_bit_for_bit() {
    let [whole, stopped] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let draw = || {
        let ones = Distribution::Normal(0.0, 1.0);
        Tensor::<1>::random([3], ones, &Device::flex()).into_data()
    };
    let expected = run(whole.path(), false, false).unwrap();
    draw();
    let error = run(stopped.path(), false, true).unwrap_err();
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }), "{error}");
    draw();
    let resumed = run(stopped.path(), true, false).unwrap();
    assert_eq!(numbers(&resumed.model), numbers(&expected.model));
    assert_eq!(resumed.history, expected.history);
    assert_eq!(resumed.best_epoch, expected.best_epoch);
}
