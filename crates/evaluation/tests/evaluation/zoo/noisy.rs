//! Models whose noise misleads the attack or the judgement.

use super::plant::{Plant, assert_all_caught, eot_pgd, threat};
use super::world::{CLASSES, EPSILON, Model, PIXELS, centred, linear, noisy_linear};
use burn::tensor::{Device, Tensor};
use cni_attacks::Pgd;
use cni_noise::{Key, Noise, current_examples, layer_key, normal, normal_rows, scope, sign};
use std::sync::atomic::{AtomicU64, Ordering};

/// A model with strong noise on the weights of the differences within blocks of pixels, which a
/// clean image does not have. Predictions hardly change, but the gradient of a draw is mostly
/// noise.
pub fn dazzling(model: Model, sigma: f64) -> Model {
    Box::new(move |images| {
        let logits = model(images.clone());
        let Some(key) = layer_key("dazzle", &images.device()) else { return logits };
        logits + between(images).matmul(weights(key)).mul_scalar(sigma)
    })
}

/// [`noisy_linear`] with noise that no key governs.
pub fn unruly(sigma: f64) -> Model {
    let calls = AtomicU64::new(0);
    Box::new(move |images| {
        let key = Key::new(calls.fetch_add(1, Ordering::Relaxed));
        scope(Noise::Keyed(key), || noisy_linear(sigma)(images))
    })
}

/// A model that reads the logits of a noisy model in steps. The steps stop an attack, not the
/// noise.
pub fn rounded() -> Model {
    let model = noisy_linear(0.5);
    Box::new(move |images| model(images).mul_scalar(5.0).round().div_scalar(5.0))
}

/// A model with a ripple that hides the gradient, and noise that shifts the ripple. The ripple
/// vanishes in the mean over draws. With its noise held or off the model looks more robust.
pub fn shifted() -> Model {
    let signs = sign::<2>(Key::new(32), [PIXELS, CLASSES], &Device::flex());
    Box::new(move |images| {
        let mut phase = centred(images.clone()).mul_scalar(1e4);
        if let Some(key) = layer_key("phase", &phase.device()) {
            let examples = current_examples();
            phase = phase.clone() + normal_rows(key, &examples, &phase).mul_scalar(3.0);
        }
        linear()(images) + phase.sin().matmul(signs.clone()).mul_scalar(2e-3)
    })
}

/// The differences of vertically adjacent pixels within a block, in units of ε, `[batch, PIXELS /
/// 2]`.
pub fn between(images: Tensor<4>) -> Tensor<2> {
    let [n, ..] = images.dims();
    let rows = centred(images).reshape([n, 4, 2, 8]);
    let [upper, lower] = [0, 1].map(|row| rows.clone().slice([0..n, 0..4, row..row + 1]));
    (upper - lower).div_scalar(2.0 * EPSILON).flatten::<2>(1, 3)
}

fn weights(key: Key) -> Tensor<2> {
    normal::<2>(key, [PIXELS / 2, CLASSES], &Device::flex()).div_scalar(PIXELS as f64 / 4.0)
}

pub fn plants() -> Vec<Plant> {
    vec![
        Plant {
            fails: &["draw-sweep", "draw-transfer"],
            warns: &["gradient-noise"],
            ..Plant::new(
                "an attack that fits one draw",
                dazzling(noisy_linear(0.05), 4.0),
                Pgd::new(threat()),
            )
        },
        Plant {
            fails: &[
                "gradient-health",
                "fixed-noise",
                "noise-off",
                "black-box",
                "transfer",
                "active-test",
            ],
            ..Plant::new("a gradient of zero behind noise", rounded(), eot_pgd())
        },
        Plant {
            fails: &["fixed-noise", "noise-off"],
            ..Plant::new("noise that is not what defends", shifted(), eot_pgd())
        },
        Plant {
            judging: 5,
            warns: &["determinism"],
            ..Plant::new("five draws that judge", noisy_linear(0.5), eot_pgd())
        },
        Plant {
            fails: &["determinism"],
            ..Plant::new("noise that no key governs", unruly(0.5), eot_pgd())
        },
    ]
}

#[test]
fn noise_that_misleads_is_caught() {
    assert_all_caught(plants());
}
