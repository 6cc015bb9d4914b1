//! The attacks on a stochastic model: draws, choices and verdicts.

use crate::support::{Toy, fraction, gap, images};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Apgd, Attack, Classifier, Eot, FixedNoise, Goal, Loss, Objective, Pgd, Threat, Transfer,
    input_gradient, score,
};
use cni_noise::{ExampleIds, Key, Noise, current_noise, scope, scope_at};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

fn noisy(noise: f64) -> (Toy, Toy) {
    let quiet = Toy::new(4, DType::F32);
    (Toy { noise, ..quiet.clone() }, quiet)
}

fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

/// Gradients draw anew at every step. Scores, which decide on steps and on the best point, are
/// taken under the same draws throughout, and no gradient uses these.
#[test]
fn apgd_scores_under_common_draws_that_no_gradient_used() {
    let (toy, quiet) = noisy(0.3);
    let clean = images(6, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let (steps, draws, score_draws) = (10, 3, 5);
    let attack = Apgd::dlr(threat()).with_steps(steps).unwrap().with_draws(draws).unwrap();
    let attack = attack.with_score_draws(score_draws).unwrap();
    let keys: RefCell<[HashMap<String, usize>; 2]> = RefCell::default();
    let model = |x: Tensor<4>| {
        let side = usize::from(x.is_require_grad());
        let name = format!("{:?}", current_noise());
        *keys.borrow_mut()[side].entry(name).or_default() += 1;
        toy.logits(x)
    };
    attack.on(&model).with_key(Key::new(1)).perturb(clean, &goal).unwrap();
    let [scores, gradients] = keys.into_inner();
    assert_eq!(gradients.len(), (steps + 1) * draws);
    assert!(gradients.values().all(|&uses| uses == 1));
    let common = scores.values().filter(|&&uses| uses == steps + 1).count();
    // In addition, the eight draws that look for noise.
    assert_eq!((common, scores.len()), (score_draws, score_draws + 8));
    let of = |keys: &HashMap<String, usize>| keys.keys().cloned().collect::<HashSet<_>>();
    assert!(of(&scores).is_disjoint(&of(&gradients)));
}

/// The best point is the one with the best mean score: on a model with much noise a choice by
/// 40 draws must beat a choice by one. The margin without noise is the judge.
#[test]
fn choosing_by_common_draws_beats_choosing_by_luck() {
    let (toy, quiet) = noisy(2.0);
    let clean = images(64, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let margin = |score_draws: usize| {
        let attack = Apgd::cross_entropy(threat()).with_steps(30).unwrap();
        let attack = attack.with_loss(Loss::Margin).unwrap();
        let attack = attack.with_draws(2).unwrap().with_score_draws(score_draws).unwrap();
        let found = attack.on(&toy.classifier()).with_key(Key::new(2)).run(clean.clone(), &goal);
        let logits = quiet.logits(found.unwrap().images);
        Loss::Margin.per_example(logits, goal.labels()).mean().into_scalar::<f64>()
    };
    assert!(margin(40) > margin(1), "{} against {}", margin(40), margin(1));
}

#[test]
fn with_its_noise_fixed_a_model_breaks_as_any_other() {
    let (toy, quiet) = noisy(2.0);
    let clean = images(64, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let model = toy.classifier();
    let fixed = FixedNoise::new(&model, Key::new(7));
    let attack = Pgd::fgsm(Threat::linf(0.05).unwrap());
    let on = |frozen: &dyn Classifier| {
        let found = attack.on(frozen).with_key(Key::new(3)).run(clean.clone(), &goal).unwrap();
        fraction(goal.reached(&scope(Noise::Keyed(Key::new(1)), || fixed.logits(found.images))))
    };
    // The same draw for attack and test is stronger than fresh draws for the attack.
    assert!(on(&fixed) > on(&toy.classifier()));
    // Whatever scope it is called in, the draw is that of its key; noise that is off stays off.
    let logits = |noise| scope_at(noise, 5, || fixed.logits(clean.clone()));
    assert_eq!(gap(&logits(Noise::Keyed(Key::new(1))), &logits(Noise::Fresh)), 0.0);
    assert_eq!(gap(&logits(Noise::Off), &quiet.logits(clean.clone())), 0.0);
    let objective = Objective::new(Loss::Margin, &goal);
    let eot = Eot::new(4).unwrap();
    let once =
        input_gradient(&fixed, &clean, &objective, Eot::ONE, Key::new(1), &ExampleIds::from(0));
    let mean = input_gradient(&fixed, &clean, &objective, eot, Key::new(2), &ExampleIds::from(0));
    assert!(gap(&once.unwrap().gradient, &mean.unwrap().gradient) < 1e-6);
}

/// Among candidates that were each made with one draw of the surrogate, draws of the attacked model
/// choose.
#[test]
fn a_transfer_chooses_its_candidate_by_draws_of_the_attacked_model() {
    let (toy, quiet) = noisy(3.0);
    let clean = images(64, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let margin = |candidates| {
        let surrogate = toy.clone();
        let attack =
            Transfer::new("itself", move |x: Tensor<4>| surrogate.logits(x), Pgd::fgsm(threat()));
        // A single candidate needs no comparison.
        let draws = if candidates == 1 { 1 } else { 30 };
        let attack = attack.with_candidates(candidates).unwrap().with_draws(draws).unwrap();
        let found =
            attack.on(&toy.classifier()).with_key(Key::new(4)).run(clean.clone(), &goal).unwrap();
        assert_eq!(found.passes.backwards, 0);
        let of = |candidates: usize| if candidates == 1 { 0 } else { 64 * 30 * candidates as u64 };
        assert_eq!(found.passes.forwards, of(candidates));
        let logits = quiet.logits(found.images);
        Loss::Margin.per_example(logits, goal.labels()).mean().into_scalar::<f64>()
    };
    assert!(margin(8) > margin(1), "{} against {}", margin(8), margin(1));
}

/// The score of an example under its draws does not depend on which examples are beside it.
#[test]
fn noise_drawn_per_example_is_that_of_its_number_in_any_company() {
    let clean = images(5, DType::F32);
    let model = |x: Tensor<4>| {
        let Noise::Keyed(key) = current_noise() else { panic!("the attack sets the scope") };
        let noise = cni_noise::normal_rows(key, &cni_noise::current_examples(), &x);
        (x + noise).flatten::<2>(1, 3)
    };
    let goal = Goal::Misclassify(Tensor::zeros([5], &clean.device()));
    let whole = score(
        &model,
        &clean,
        &Objective::new(Loss::Margin, &goal),
        Eot::new(3).unwrap(),
        Key::new(5),
        &ExampleIds::from(20),
    );
    let rows = [4, 1];
    let index = Tensor::from_ints(rows, &clean.device());
    let part = score(
        &model,
        &clean.select(0, index.clone()),
        &Objective::new(Loss::Margin, &Goal::Misclassify(Tensor::zeros([2], &index.device()))),
        Eot::new(3).unwrap(),
        Key::new(5),
        &ExampleIds::from(20).select(&rows.map(|row| row as usize)),
    );
    assert_eq!(part.unwrap().score.into_data(), whole.unwrap().score.select(0, index).into_data());
}
