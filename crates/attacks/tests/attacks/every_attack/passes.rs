//! The passes that attacks ask of the model: counted, checked, limited and watched.

use super::{CLASSES, attacks};
use crate::support::{Toy, images, largest};
use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{
    Access, Adversarial, Attack, AttackError, BoundaryAttack, Budget, Goal, HopSkipJump, NAttack,
    Passes, Progress, RandomNoise, Spsa, Square, Threat,
};
use cni_noise::Key;
use std::cell::RefCell;
use std::time::Duration;

#[test]
fn a_key_replays_an_attack_on_a_noisy_model_and_the_passes_are_counted() {
    let quiet = Toy::new(CLASSES, DType::F32);
    let toy = Toy { noise: 0.5, ..quiet.clone() };
    let clean = images(6, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    for (case, row, attack) in attacks(0.2) {
        let seen = RefCell::new(Passes::default());
        let model = |x: Tensor<4>| {
            let mut seen = seen.borrow_mut();
            let images = x.dims()[0] as u64;
            seen.forwards += images;
            seen.backwards += if x.is_require_grad() { images } else { 0 };
            toy.logits(x)
        };
        let found = attack.on(&model).with_key(Key::new(3)).perturb(clean.clone(), &goal).unwrap();
        assert_eq!(found.passes, *seen.borrow(), "{case}");
        assert_eq!(found.passes.backwards > 0, row.access == Access::Gradients, "{case}");
        let again = attack.on(&model).with_key(Key::new(3)).perturb(clean.clone(), &goal).unwrap();
        assert_eq!(found.images.into_data(), again.images.into_data(), "{case}");
        assert_eq!(found.passes, again.passes, "{case}");
    }
}

/// A value that is not finite is an error that names the example, whatever an attack asks of the
/// model.
#[test]
fn values_that_are_not_finite_are_never_taken_for_robust() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let broken = |x: Tensor<4>| {
        let [batch, ..] = x.dims();
        let bad = Tensor::<2>::full([1, CLASSES], f64::NAN, &Device::flex());
        let logits = toy.logits(x);
        match batch {
            4 => Tensor::cat(vec![logits.slice(0..2), bad.clone().autodiff(), bad.autodiff()], 0),
            _ => logits.mul_scalar(f64::NAN),
        }
    };
    for (case, row, attack) in attacks(0.1) {
        // A transfer asks the attacked model about candidates, random noise asks it about points.
        let found = attack
            .on(&broken)
            .with_key(Key::new(4))
            .with_examples(10)
            .perturb(clean.clone(), &goal);
        let error = found.err().unwrap_or_else(|| panic!("{case}: accepted"));
        let wanted = AttackError::NonFinite { field: "logits", got: 2, example: 12 };
        assert_eq!(error, wanted, "{case}: {:?}", row.access);
    }
}

#[test]
fn a_budget_ends_every_attack_that_asks_the_model() {
    let toy = Toy { noise: 0.3, ..Toy::new(CLASSES, DType::F32) };
    let clean = images(4, DType::F32);
    let goal = Goal::Misclassify(Toy::new(CLASSES, DType::F32).predictions(&clean));
    for (case, _, attack) in attacks(0.1) {
        let run = |budget| -> Adversarial {
            let model = toy.classifier();
            attack
                .on(&model)
                .with_budget(budget)
                .with_key(Key::new(5))
                .run(clean.clone(), &goal)
                .unwrap()
        };
        let whole = run(Budget::default());
        assert!(!whole.exhausted, "{case}");
        let spent = whole.passes.forwards / 4;
        if spent < 12 {
            continue;
        }
        let cut = run(Budget { forwards: Some(spent / 4), ..Budget::default() });
        assert!(cut.exhausted, "{case}: {} of {spent}", cut.passes.forwards / 4);
        assert!(cut.passes.forwards < whole.passes.forwards, "{case}");
        let distance = largest(attack.threat().norm().distance(&cut.images, &clean));
        assert!(distance <= attack.threat().epsilon() * (1.0 + 1e-5), "{case}");
    }
}

#[test]
fn no_time_ends_every_attack_after_its_first_iteration() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    for (case, _, attack) in attacks(0.01) {
        let mut iterations = 0;
        let mut progress = |_: &Progress| iterations += 1;
        let model = toy.classifier();
        let found = attack
            .on(&model)
            .with_key(Key::new(7))
            .with_budget(Budget { time: Some(Duration::ZERO), ..Budget::default() })
            .with_progress(&mut progress)
            .run(clean.clone(), &goal)
            .unwrap();
        assert_eq!((iterations, found.exhausted), (1, true), "{case}");
    }
}

#[test]
fn progress_and_trace_see_every_iteration() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    for (case, row, attack) in attacks(0.01) {
        let (mut iterations, mut trace) = (Vec::new(), Vec::new());
        let (mut farthest, norm) = (Vec::new(), attack.threat().norm());
        let mut progress = |p: &cni_attacks::Progress| {
            iterations.push((p.iteration, p.active));
            assert_eq!(p.images.dims()[0], p.active);
            // While all are under attack, their rows are those of the clean images.
            let all = p.active == 4;
            farthest.push(all.then(|| largest(norm.distance(p.images, &clean))));
        };
        let model = toy.classifier();
        attack
            .on(&model)
            .with_key(Key::new(6))
            .with_examples(70)
            .with_progress(&mut progress)
            .with_trace(&mut trace)
            .run(clean.clone(), &goal)
            .unwrap();
        assert!(!iterations.is_empty(), "{case}");
        if row.name != "Suite::standard" {
            let numbers: Vec<usize> = iterations.iter().map(|(iteration, _)| *iteration).collect();
            assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{case}");
        }
        let active: usize = iterations.iter().map(|(_, active)| active).sum();
        assert_eq!(trace.len(), active, "{case}");
        assert!(trace.iter().all(|point| (70..74).contains(&point.example)), "{case}");
        assert!(trace.iter().all(|point| point.score.is_finite()), "{case}");
        for (number, farthest) in farthest.iter().enumerate() {
            let of_it = trace.iter().filter(|point| point.iteration == number + 1);
            let traced = of_it.map(|point| point.distance).fold(0.0, f64::max);
            let same = farthest.is_none_or(|farthest| farthest == traced);
            assert!(same || row.name == "Suite::standard", "{case}: {farthest:?}, {traced}");
        }
    }
}

/// Queries are the unit in which attacks by scores and decisions are compared.
#[test]
fn attacks_by_queries_never_ask_more_often_than_they_may() {
    let quiet = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let [linf, l2] = [Threat::linf(0.05).unwrap(), Threat::l2(0.05).unwrap()];
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(HopSkipJump::new(linf).unwrap()),
        Box::new(HopSkipJump::new(linf).unwrap().with_draws(3).unwrap()),
        Box::new(BoundaryAttack::new(l2).unwrap()),
        Box::new(BoundaryAttack::new(l2).unwrap().with_draws(3).unwrap()),
        Box::new(Spsa::new(linf)),
        Box::new(Spsa::new(linf).with_draws(3).unwrap()),
        Box::new(NAttack::new(linf).unwrap()),
        Box::new(NAttack::new(linf).unwrap().with_draws(3).unwrap()),
        Box::new(Square::new(linf).with_draws(3).unwrap()),
        Box::new(RandomNoise::new(linf).with_samples(500).unwrap().with_draws(3).unwrap()),
    ];
    for (noise, allowed) in [(0.0, 1), (0.3, 2), (0.3, 7), (0.0, 100), (0.3, 100), (0.3, 301)] {
        let toy = Toy { noise, ..quiet.clone() };
        let model = toy.classifier();
        for attack in &attacks {
            let found = attack
                .on(&model)
                .with_budget(Budget { forwards: Some(allowed), ..Budget::default() })
                .with_early_stop(false)
                .with_key(Key::new(1))
                .run(clean.clone(), &goal)
                .unwrap();
            let spent = found.passes.forwards;
            assert!(spent <= 4 * allowed, "{} spent {spent} of {}", attack.name(), 4 * allowed);
            assert!(found.exhausted, "{} with {allowed}", attack.name());
        }
    }
}
