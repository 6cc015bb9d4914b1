//! Training runs in half precision: the same bits whenever they are stopped and resumed.

use burn::tensor::{Device, Tensor};
use cni_burn::data::{Split, digits};
use cni_burn::prelude::*;
use cni_burn::training::{Devices, Parallel, Progress, Trained, TrainingError};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Steps of an epoch: 128 images in batches of 64.
const STEPS: usize = 2;

/// Two epochs of a noisy ResNet-8 on digits, half clean and half adversarial. A broken run stops in
/// the first step of the second epoch.
fn run(
    folder: &Path,
    devices: usize,
    [resume, broken]: [bool; 2],
) -> Result<Trained<ResNet>, TrainingError> {
    let key = Key::new(1);
    let config = ResNetConfig::cifar(8, 10)
        .with_width(0.5)
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_noise(ModelNoise::cni(2).with_scale(NoiseScale::Relative));
    let model = keyed_init(config.init(&Device::flex()), key.named("weights"));
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let training = TrainingConfig {
        batch_size: 64,
        precision: Precision::Bf16,
        key: key.named("training"),
        ..TrainingConfig::new(2, Objective::half_and_half(attack))
    };
    let passes = AtomicUsize::new(0);
    let forward = move |model: &ResNet, images: Tensor<4>| {
        let logits = model.forward(images);
        // A step has a clean and an adversarial pass through the weights on each device.
        let trains = model.fc.linear.weight.val().is_autodiff();
        let pass = passes.fetch_add(usize::from(trains), Ordering::Relaxed);
        let breaks = broken && trains && pass >= 2 * STEPS * devices;
        if breaks { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let data = digits(Split::Train).take(160);
    let (train, validation) = data.split_validation(32, key.named("split")).unwrap();
    Trainer::new(training, folder)?
        .with_validation(validation)
        .with_devices(Devices::new(vec![Device::flex(); devices], Parallel::Multi).unwrap())
        .with_progress(Progress::Quiet)
        .resume(resume)
        .run(model, forward, train)
}

fn logits(run: &Trained<ResNet>) -> Vec<f32> {
    let (images, _) =
        digits(Split::Test).take(20).batches(20, &Device::flex()).next().unwrap().unwrap();
    let model = FrozenModel::new(&run.model, ResNet::forward);
    let logits = scope(Noise::Keyed(Key::new(2)), || model.logits(images));
    logits.into_data().try_to_vec().unwrap()
}

#[test]
fn a_stopped_run_resumes_bit_for_bit() {
    for devices in [1, 2] {
        let [whole, stopped] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let expected = run(whole.path(), devices, [false, false]).unwrap();
        let error = run(stopped.path(), devices, [false, true]).unwrap_err();
        assert!(matches!(error, TrainingError::Stopped { last: Some(1), .. }), "{error}");
        let resumed = run(stopped.path(), devices, [true, false]).unwrap();
        assert_eq!(resumed.history, expected.history, "{devices} devices");
        assert_eq!(logits(&resumed), logits(&expected), "{devices} devices");
    }
}
