//! Attacks on a model with noisy weights: the gain of averaging, the draws that a key replays, and
//! the draws that are shared.

use crate::support::{NORMS, Toy, VALUES, fraction, gap, images};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Attack, AttackBatch, Eot, Goal, InputGradient, Iterate, Loss, ModelAccess, Objective, Passes,
    Pgd, RandomNoise, Threat, input_gradient, score,
};
use cni_noise::{ExampleIds, Key, Noise, layer_key, scope, sign};
use std::cell::RefCell;
use std::collections::HashSet;

const NOISE: f64 = 0.5;

fn noisy(dtype: DType) -> Toy {
    Toy { noise: NOISE, ..Toy::new(2, dtype) }
}

fn margin_gradient(
    toy: &Toy,
    images: &Tensor<4>,
    goal: &Goal,
    draws: usize,
    key: Key,
) -> InputGradient {
    let objective = Objective::new(Loss::Margin, goal);
    let (eot, examples) = (Eot::new(draws).unwrap(), ExampleIds::default());
    input_gradient(&toy.classifier(), images, &objective, eot, key, &examples).unwrap()
}

/// The margin's gradient is w₁ − w₀ plus the difference of two noises: per entry and draw the
/// variance 2σ², divided by the number of draws. Over 300 repetitions of 12 entries the mean square
/// has the relative standard error √(2/3600).
#[test]
fn the_variance_of_a_gradient_falls_with_the_number_of_draws() {
    let toy = noisy(DType::F64);
    let image = Tensor::<4>::full([1, 3, 2, 2], 0.5, (&toy.weight.device(), DType::F64));
    let goal = Goal::Misclassify(Tensor::from_ints([0], &toy.weight.device()));
    let expected =
        (toy.weight.clone().slice(1..2) - toy.weight.clone().slice(0..1)).reshape([1, 3, 2, 2]);
    let repetitions = 300;
    for draws in [1, 4, 16] {
        let mut sum = 0.0;
        for repetition in 0..repetitions {
            let key = Key::new(1).child(draws as u64).child(repetition);
            let found = margin_gradient(&toy, &image, &goal, draws, key);
            sum += (found.gradient - expected.clone()).square().mean().into_scalar::<f64>();
        }
        let variance = sum / repetitions as f64;
        let wanted = 2.0 * NOISE * NOISE / draws as f64;
        let standard_error = wanted * (2.0 / (repetitions as f64 * VALUES as f64)).sqrt();
        assert!(
            (variance - wanted).abs() < 5.0 * standard_error,
            "{draws} draws: {variance}, wanted {wanted}"
        );
    }
}

#[test]
fn a_key_replays_an_attack_bit_for_bit_and_another_does_not() {
    let toy = noisy(DType::F32);
    let clean = images(8, DType::F32);
    let goal = Goal::Misclassify(Toy::new(2, DType::F32).predictions(&clean));
    for norm in NORMS {
        let threat = Threat::new(norm, 0.2).unwrap();
        let eot = Pgd::new(threat).with_draws(2).unwrap().with_restarts(2).unwrap();
        let random = RandomNoise::new(threat).with_samples(4).unwrap();
        for attack in [&eot as &dyn Attack, &random] {
            let run = |seed| {
                let found =
                    attack.on(&toy.classifier()).with_key(Key::new(seed)).run(clean.clone(), &goal);
                found.unwrap().images.into_data()
            };
            assert_eq!(run(1), run(1), "{} {norm:?}", attack.name());
            assert_ne!(run(1), run(2), "{} {norm:?}", attack.name());
        }
    }
}

#[test]
fn an_attack_does_not_depend_on_the_cut_into_batches() {
    let toy = Toy::new(3, DType::F64);
    let clean = images(8, DType::F64);
    let labels = toy.predictions(&clean);
    for norm in NORMS {
        let attack = Pgd::new(Threat::new(norm, 0.2).unwrap()).with_restarts(2).unwrap();
        let part = |range: std::ops::Range<usize>| {
            let goal = Goal::Misclassify(labels.clone().slice(range.clone()));
            let first = 100 + range.start as u64;
            let images = clean.clone().slice(range);
            attack
                .on(&toy.classifier())
                .with_key(Key::new(3))
                .with_examples(first)
                .run(images, &goal)
                .unwrap()
                .images
        };
        let parts = Tensor::cat(vec![part(0..3), part(3..8)], 0);
        assert!(gap(&part(0..8), &parts) < 1e-12, "{norm:?}");
    }
}

#[test]
fn noise_that_the_caller_switched_off_stays_off() {
    let (toy, quiet) = (noisy(DType::F32), Toy::new(2, DType::F32));
    let clean = images(8, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let of = |toy: &Toy| margin_gradient(toy, &clean, &goal, 2, Key::new(4)).gradient;
    let loss = |toy: &Toy| {
        let objective = Objective::new(Loss::Margin, &goal);
        let (eot, examples) = (Eot::new(2).unwrap(), ExampleIds::default());
        score(&toy.classifier(), &clean, &objective, eot, Key::new(4), &examples).unwrap().score
    };
    scope(Noise::Off, || {
        assert_eq!(gap(&of(&toy), &of(&quiet)), 0.0);
        assert_eq!(gap(&loss(&toy), &loss(&quiet)), 0.0);
    });
    assert!(gap(&of(&toy), &of(&quiet)) > 0.0);
    // Neither does the key of an outer scope reach the attack: its own key decides.
    let outer = |seed| scope(Noise::Keyed(Key::new(seed)), || of(&toy));
    assert_eq!(gap(&outer(1), &outer(2)), 0.0);
}

/// The noise under which a model's noisy layer ran, and the number of images that it saw.
#[derive(Default)]
struct Log {
    gradient_keys: Vec<Key>,
    score_keys: Vec<Key>,
    passes: Passes,
}

#[test]
fn candidates_are_scored_under_shared_draws_that_no_gradient_used() {
    let toy = Toy::new(2, DType::F32);
    let clean = images(8, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let (restarts, steps, draws) = (2, 3, 4);
    let attack = Pgd::new(Threat::linf(0.1).unwrap())
        .with_steps(steps)
        .and_then(|attack| attack.with_restarts(restarts))
        .and_then(|attack| attack.with_draws(draws))
        .unwrap()
        .with_iterate(Iterate::Best);
    let log = RefCell::new(Log::default());
    let logits = |images: Tensor<4>| {
        let mut log = log.borrow_mut();
        let key = layer_key("weight", &images.device()).unwrap();
        log.passes.forwards += images.dims()[0] as u64;
        if images.is_require_grad() {
            log.passes.backwards += images.dims()[0] as u64;
            log.gradient_keys.push(key);
        } else {
            log.score_keys.push(key);
        }
        toy.logits(images)
    };
    let found = attack.on(&logits).with_key(Key::new(5)).perturb(clean, &goal).unwrap();
    let log = log.into_inner();
    assert_eq!(found.passes, log.passes);

    let gradient: HashSet<Key> = log.gradient_keys.iter().copied().collect();
    assert_eq!(
        (gradient.len(), log.gradient_keys.len()),
        (restarts * steps * draws, restarts * steps * draws)
    );
    let score: HashSet<Key> = log.score_keys.iter().copied().collect();
    assert_eq!((score.len(), log.score_keys.len()), (draws, restarts * (steps + 1) * draws));
    assert!(gradient.is_disjoint(&score));
}

#[test]
fn averaging_makes_an_attack_on_a_noisy_model_stronger() {
    let toy = Toy { noise: 3.0, ..Toy::new(2, DType::F32) };
    let quiet = Toy::new(2, DType::F32);
    let clean = images(64, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    // One step, so that the steps themselves do not average. The noise-free model is the judge: it
    // is the mean model.
    let broken = |draws: usize| {
        let attack = Pgd::fgsm(Threat::linf(0.1).unwrap()).with_draws(draws).unwrap();
        let found =
            attack.on(&toy.classifier()).with_key(Key::new(6)).run(clean.clone(), &goal).unwrap();
        fraction(goal.reached(&quiet.logits(found.images)))
    };
    assert!(broken(64) > broken(1), "{} against {}", broken(64), broken(1));
}

/// A defence that picks one of two networks in each pass looks the same in two passes half of the
/// time. By four draws at the images and four beside them it looks so in 1 of 64 cases: of 64
/// defences, which differ in their keys, one is expected to be missed, and six have probability
/// 0.0005.
#[test]
fn a_defence_that_picks_one_of_two_networks_is_found_to_be_random() {
    let toy = Toy::new(3, DType::F32);
    let clean = images(8, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let batch = AttackBatch::new(clean, &goal, ExampleIds::from(0)).unwrap();
    let found = (0..64).filter(|defence| {
        let model = |x: Tensor<4>| {
            let key = layer_key(&format!("defence {defence}"), &x.device()).unwrap();
            let pick = sign::<1>(key, [1], &x.device()).into_scalar::<f32>();
            toy.logits(x).mul_scalar(if pick > 0.0 { 1.0 } else { 2.0 })
        };
        ModelAccess::new(&model).is_stochastic(&batch).unwrap()
    });
    let found = found.count();
    assert!(found > 58, "{found} of 64");
}
