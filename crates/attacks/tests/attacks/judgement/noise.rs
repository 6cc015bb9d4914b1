//! Noise is told from rounding, and found even if it is zero at the images; the draws of gradients
//! are counted.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Attack, Goal, Pgd, Threat, Transfer};
use cni_noise::{Key, Noise, layer_key, scope};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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

/// From the model itself: one draw in all ten steps, or none; the attacked model gets no pass.
#[test]
fn a_transfer_from_the_model_itself_meets_one_draw_of_its_noise_or_none() {
    let goal = Goal::Misclassify(Tensor::<1, Int>::zeros([3], &Device::flex()));
    let draws_of = |attack: &dyn Fn(Arc<Mutex<Vec<_>>>) -> Transfer| {
        let draws = Arc::new(Mutex::new(Vec::new()));
        let attack = attack(draws.clone());
        let unasked = |_: Tensor<4>| panic!("a single candidate needs no pass");
        attack.on(&unasked).with_key(Key::new(1)).perturb(images(), &goal).unwrap();
        let draws = draws.lock().unwrap().clone();
        (attack.name(), draws)
    };
    let noisy = |draws: Arc<Mutex<Vec<_>>>| {
        move |x: Tensor<4>| {
            draws.lock().unwrap().push(layer_key("noise", &x.device()));
            x.flatten::<2>(1, 3)
        }
    };
    let pgd = || Arc::new(Pgd::new(threat()));
    let held = |key| draws_of(&move |draws| Transfer::from_held(noisy(draws), key, pgd()));
    let (name, draws) = held(Key::new(2));
    assert_eq!((name.as_str(), draws.len()), ("PGD-10-from-itself-held", 10));
    assert!(draws[0].is_some() && draws.iter().all(|draw| *draw == draws[0]));
    assert_ne!(held(Key::new(3)).1[0], draws[0]);
    let (name, draws) = draws_of(&|draws| Transfer::from_noise_off(noisy(draws), pgd()));
    assert_eq!((name.as_str(), draws), ("PGD-10-from-itself-off", vec![None; 10]));
}
