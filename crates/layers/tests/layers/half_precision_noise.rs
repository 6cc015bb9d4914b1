//! Noise on activations in half precision.

use crate::support::reference::images;
use crate::support::reference::resnet20::gradients;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor};
use cni_layers::models::{ModelNoise, ResNet, ResNetConfig};
use cni_layers::{ActivationNoiseConfig, Granularity, Per, keyed_init};
use cni_noise::laws::NoiseScale;
use cni_noise::{Key, Noise, scope};
use cni_ops::{ObstacleReason, Precision, autocast};

/// A small network with this noise on the inputs of its convolutions.
fn on_inputs(noise: ActivationNoiseConfig) -> ResNetConfig {
    let noise = ModelNoise::none().with_conv_input(noise);
    ResNetConfig::cifar(8, 10).with_noise(noise)
}

/// A batch that shares its draws runs as one operation, with noise before or behind convolutions.
#[test]
fn noise_that_a_batch_shares_lets_a_network_be_one_operation() {
    let device = Device::flex();
    let white = ActivationNoiseConfig::white(Granularity::Channel);
    let behind = ModelNoise::none().with_conv_output(ActivationNoiseConfig::colored(2));
    for (config, wanted) in [
        (on_inputs(ActivationNoiseConfig::colored(5)), None),
        (on_inputs(white.clone().with_draw_per(Per::Batch)), None),
        (ResNetConfig::cifar(8, 10).with_noise(behind.clone()), None),
        (ResNetConfig::wide(10, 0.5, 10).with_noise(behind), None),
        // Drawn for each example, as is white noise by default, or scaled by it.
        (on_inputs(white), Some((2, ObstacleReason::Noise))),
        (
            on_inputs(ActivationNoiseConfig::colored(5).with_std_per(Per::Example)),
            Some((2, ObstacleReason::Noise)),
        ),
    ] {
        let obstacle = config.init(&device).body().obstacle([1, 3, 32, 32]);
        let obstacle = obstacle.map(|obstacle| (obstacle.step, obstacle.reason));
        assert_eq!(obstacle, wanted, "{config:?}");
    }
}

/// Noise on activations in one operation is the draw that the layers have, in value and in all
/// gradients, to the rounding of bfloat16; and off it leaves no trace.
#[test]
fn noise_on_activations_is_the_same_in_half_precision() {
    let device = Device::flex().autodiff();
    let labels = Tensor::<1, Int>::from_data([3, 1, 4, 1, 5, 9, 2, 6], &device);
    let images = images(8, &Device::flex());
    let run = |model: &ResNet, precision, noise| {
        let x = images.clone().autodiff().require_grad();
        let (logits, loss) = autocast(precision, || {
            scope(noise, || {
                let logits = model.forward(x.clone());
                let loss = CrossEntropyLossConfig::new().init(&device);
                (logits.clone(), loss.forward(logits, labels.clone()))
            })
        });
        let slopes = loss.backward();
        // Silent noise has no gradients.
        let mut values = match noise {
            Noise::Off => Vec::new(),
            _ => gradients(model, &slopes),
        };
        values.push(("input".into(), x.grad(&slopes).unwrap().try_to_vec_as().unwrap()));
        values.push(("logits".into(), logits.try_to_vec_as().unwrap()));
        values
    };
    let off = |ours: &[f64], wanted: &[f64]| {
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
        let difference = norm(&mut ours.iter().zip(wanted).map(|(a, b)| a - b));
        (difference / norm(&mut wanted.iter().copied())).sqrt()
    };
    for scale in [NoiseScale::Relative, NoiseScale::Reference, NoiseScale::Absolute] {
        let noise = ActivationNoiseConfig::colored(3).with_scale(scale);
        let model = keyed_init(on_inputs(noise).init(&device), Key::new(1));
        let keyed = Noise::Keyed(Key::new(4));
        let full = run(&model, Precision::Full, keyed);
        let half = run(&model, Precision::Bf16, keyed);
        let silent = run(&model, Precision::Bf16, Noise::Off);
        assert!(full.iter().any(|(name, _)| name.contains("factor")), "{scale}");
        for ((name, full), (_, half)) in full.iter().zip(&half) {
            // Rectifiers near zero turn with the rounding, and take their gradient along.
            let limit = if name == "logits" { 0.02 } else { 0.25 };
            let error = off(half, full);
            assert!(error < limit, "{scale}, {name}: {error}");
        }
        // The draw is what makes them equal: without it the logits are others.
        let [full, half, silent] = [&full, &half, &silent].map(|values| &values.last().unwrap().1);
        assert!(off(half, full) > 1e-5, "{scale}: its products were not in half precision");
        assert!(off(silent, full) > 0.05, "{scale}: {}", off(silent, full));
        let bare = keyed_init(ResNetConfig::cifar(8, 10).init(&device), Key::new(1));
        let bare = run(&bare, Precision::Bf16, Noise::Off);
        assert_eq!(&bare.last().unwrap().1, silent, "{scale}");
    }
}
