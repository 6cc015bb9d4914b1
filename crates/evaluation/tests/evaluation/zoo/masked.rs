//! Models that hide their gradient. None of them is more robust because of it.

use super::plant::{Plant, assert_all_caught, pgd, threat};
use super::world::{CLASSES, EPSILON, Model, PIXELS, centred, contrasts, linear, patterns};
use cni_attacks::Pgd;
use cni_noise::{Key, sign};

/// A model that reads the contrasts in steps of a tenth, so that its gradient is zero.
pub fn rounded() -> Model {
    Box::new(|images| contrasts(images).mul_scalar(10.0).round().mul_scalar(0.2))
}

/// A model that cuts the gradient off.
pub fn detached() -> Model {
    Box::new(|images| linear()(images.inner()))
}

/// A model with the right logits and the negative of their gradient.
pub fn flipped() -> Model {
    Box::new(|images| {
        let logits = linear()(images);
        logits.clone().inner().mul_scalar(2.0) - logits
    })
}

/// A model whose logits are so far apart that the cross-entropy underflows.
pub fn saturated() -> Model {
    Box::new(|images| linear()(images).mul_scalar(1e4))
}

/// A model with a steep ripple on every logit. The ripple is too low to change a prediction, but it
/// dominates the gradient.
pub fn shattered() -> Model {
    let signs = sign::<2>(Key::new(31), [PIXELS, CLASSES], &patterns().device());
    Box::new(move |images| {
        let ripple = centred(images.clone()).mul_scalar(3e4).sin().matmul(signs.clone());
        linear()(images) + ripple.mul_scalar(2e-3)
    })
}

/// A model that subtracts the unevenness within blocks of pixels. A clean image has none, and there
/// the square root has no slope.
pub fn undefined() -> Model {
    Box::new(|images| {
        let logits = linear()(images.clone());
        let [n, ..] = images.dims();
        let rows = images.reshape([n, 4, 2, 8]);
        let [upper, lower] = [0, 1].map(|row| rows.clone().slice([0..n, 0..4, row..row + 1]));
        let uneven = (upper - lower).powi_scalar(2).flatten::<2>(1, 3).sum_dim(1).sqrt();
        logits * (uneven.mul_scalar(-0.01 / EPSILON)).exp()
    })
}

pub fn plants() -> Vec<Plant> {
    vec![
        Plant {
            fails: &["gradient-health", "finite-difference", "black-box", "transfer"],
            warns: &["loss-surface", "active-test", "random-noise"],
            ..Plant::new("a gradient of zero", rounded(), pgd())
        },
        Plant {
            fails: &["gradient-health", "finite-difference", "active-test"],
            ..Plant::new("no gradient", detached(), pgd())
        },
        Plant {
            fails: &["finite-difference", "epsilon-sweep", "black-box", "transfer", "active-test"],
            warns: &["random-noise", "loss-surface"],
            ..Plant::new("a gradient of the wrong sign", flipped(), pgd())
        },
        Plant {
            fails: &["gradient-health", "loss-choice", "stronger-attack", "black-box", "transfer"],
            ..Plant::new("logits that saturate", saturated(), pgd())
        },
        Plant {
            fails: &["finite-difference", "black-box", "transfer"],
            warns: &["active-test"],
            ..Plant::new("a gradient of ripple", shattered(), pgd())
        },
        Plant {
            fails: &["gradient-health"],
            ..Plant::new("a gradient that is not defined", undefined(), Pgd::bim(threat()))
        },
    ]
}

#[test]
fn masked_gradients_are_caught() {
    assert_all_caught(plants());
}
