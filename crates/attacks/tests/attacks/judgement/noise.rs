//! Noise is told from rounding, and found even if it is zero at the images; the draws of gradients
//! are counted.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Attack, Goal, Pgd, Threat, Transfer};
use cni_noise::{Key, Noise, layer_key, scope};
use std::sync::atomic::{AtomicUsize, Ordering};

fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

fn images() -> Tensor<4> {
    let image = Tensor::<1>::from_data([0.9, 0.2, 0.4, 0.5], &Device::flex());
    image.reshape([1, 1, 2, 2]).expand([3, 1, 2, 2])
}

/// Switching off noise concerns the attacked model; the surrogate of a transfer keeps its own.
#[test]
fn a_surrogate_keeps_its_noise_where_the_victims_is_off() {
    static SURROGATE: AtomicUsize = AtomicUsize::new(0);
    static ATTACKED: AtomicUsize = AtomicUsize::new(0);
    let noisy = |x: Tensor<4>| {
        let drawn = layer_key("noise", &x.device()).is_some();
        SURROGATE.fetch_add(usize::from(drawn), Ordering::Relaxed);
        x.flatten::<2>(1, 3)
    };
    let frozen = |x: Tensor<4>| {
        let drawn = layer_key("noise", &x.device()).is_some();
        ATTACKED.fetch_add(usize::from(drawn), Ordering::Relaxed);
        x.flatten::<2>(1, 3)
    };
    let attack = Transfer::new("noisy", noisy, Pgd::new(threat())).with_candidates(2).unwrap();
    let goal = Goal::Misclassify(Tensor::<1, Int>::zeros([3], &Device::flex()));
    let attacked = || attack.on(&frozen).with_key(Key::new(1)).perturb(images(), &goal).unwrap();
    scope(Noise::Off, attacked);
    // Ten gradients for each of two candidates.
    assert_eq!(SURROGATE.load(Ordering::Relaxed), 20);
    assert_eq!(ATTACKED.load(Ordering::Relaxed), 0);
}
