//! `attack.on(&model).run(images, labels)`: every form of it, and its result for each example.

use super::{CLASSES, attacks};
use crate::support::{Toy, images};
use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{Apgd, Attack, AttackError, Goal, Pgd, Square, Threat};
use cni_noise::{Key, Noise, scope};
use std::cell::Cell;
use std::sync::Arc;

#[test]
fn boxed_shared_and_borrowed_attacks_run_as_plain_ones() {
    let toy = Toy::new(CLASSES, DType::F32);
    let (clean, model) = (images(4, DType::F32), toy.classifier());
    let labels = toy.predictions(&clean);
    let pgd = Pgd::new(Threat::linf(0.1).unwrap());
    let plain = pgd.on(&model).run(clean.clone(), labels.clone()).unwrap();
    let shared: Arc<dyn Attack> = Arc::new(pgd.clone());
    let boxed: Box<dyn Attack> = Box::new(pgd.clone());
    let borrowed: &dyn Attack = &pgd;
    for runner in [shared.on(&model), boxed.on(&model), borrowed.on(&model)] {
        let found = runner.run(clean.clone(), Goal::Misclassify(labels.clone())).unwrap();
        assert_eq!(found.images.into_data(), plain.images.clone().into_data());
    }
    // Key 0 and examples from 0 on are what a run has unless told otherwise.
    let told = pgd.on(&model).with_key(Key::new(0)).with_examples(0);
    let told = told.perturb(clean, labels).unwrap();
    assert_eq!(told.images.into_data(), plain.images.into_data());
}

/// Alone and in company an example takes the same passes, in chunks and at once, whether it leaves
/// early or not: a count by itself is a count of its own passes.
#[test]
fn queries_are_those_of_each_example() {
    for noise in [0.0, 0.3] {
        let toy = Toy { noise, ..Toy::new(CLASSES, DType::F64) };
        let quiet = Toy { noise: 0.0, ..toy.clone() };
        let (clean, model) = (images(5, DType::F64), toy.classifier());
        let labels = quiet.predictions(&clean);
        for (case, _, attack) in attacks(0.1) {
            let on = || attack.on(&model).with_key(Key::new(2)).with_stochastic(noise > 0.0);
            let whole = on().with_examples(40).perturb(clean.clone(), labels.clone()).unwrap();
            assert_eq!(whole.queries.iter().sum::<u64>(), whole.passes.forwards, "{case}");
            let parts = on().with_examples(40).with_chunk(2).unwrap();
            let parts = parts.perturb(clean.clone(), labels.clone()).unwrap();
            assert_eq!(parts.queries, whole.queries, "{case}");
            for row in 0..5 {
                let [image, label] = [row..row + 1, row..row + 1];
                let alone = on()
                    .with_examples(40 + row as u64)
                    .perturb(clean.clone().slice(image), labels.clone().slice(label))
                    .unwrap();
                assert_eq!(alone.passes.forwards, whole.queries[row], "{case}, {row}");
                assert_eq!(alone.queries, [whole.queries[row]], "{case}, {row}");
            }
        }
    }
}

#[test]
fn success_is_that_of_the_images_given_back_and_costs_the_attack_nothing() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(12, DType::F32);
    let labels = toy.predictions(&clean);
    let goal = Goal::Misclassify(labels.clone());
    for (case, _, attack) in attacks(0.1) {
        let passes = Cell::new(0);
        let model = |x: Tensor<4>| {
            passes.set(passes.get() + x.dims()[0] as u64);
            toy.logits(x)
        };
        let found = attack.on(&model).with_key(Key::new(4)).run(clean.clone(), &goal).unwrap();
        let judged = passes.get() - found.passes.forwards;
        // A pass of each image, one of each original that was not broken, and the passes that look
        // for noise if the attack did not look.
        let unbroken = found.success_rate.iter().filter(|rate| **rate == 0.0).count() as u64;
        let needed = 12 + unbroken;
        assert!([needed, needed + 8 * 8].contains(&judged), "{case}: {judged}");
        let reached: Vec<bool> =
            goal.reached(&toy.logits(found.images.clone())).try_to_vec_as().unwrap();
        let wanted: Vec<f64> = reached.iter().map(|&reached| f64::from(reached)).collect();
        assert_eq!((found.success_rate.clone(), found.judging_draws), (wanted, 1), "{case}");
        let robust = reached.iter().filter(|reached| !**reached).count() as f64 / 12.0;
        assert!((found.robust_accuracy() - robust).abs() < 1e-12, "{case}");
        let distance = attack.threat().norm().distance(&found.images, &clean);
        let distance = distance.try_to_vec_as::<f32>().unwrap();
        let same = |(a, b): (&f64, &f32)| (a - f64::from(*b)).abs() < 1e-6;
        assert!(found.distance.iter().zip(&distance).all(same), "{case}");
    }
}

/// The weight of a threshold's noise is standard normal: an image at 0 is misclassified in half of
/// the draws. Of 400 draws the share has the standard error 0.025, and of 50 draws 0.07.
#[test]
fn of_a_stochastic_model_success_is_a_share_of_fresh_draws() {
    let toy = Toy { noise: 5.0, ..Toy::new(2, DType::F32) };
    let quiet = Toy { noise: 0.0, ..toy.clone() };
    let (clean, model) = (images(8, DType::F32), toy.classifier());
    let labels = quiet.predictions(&clean);
    let pgd = Pgd::new(Threat::linf(0.05).unwrap()).with_steps(2).unwrap();
    let run = |draws: usize| {
        let runner = pgd.on(&model).with_judging_draws(draws).unwrap();
        runner.run(clean.clone(), labels.clone()).unwrap()
    };
    let (few, many) = (run(50), run(400));
    assert_eq!((few.judging_draws, many.judging_draws), (50, 400));
    assert_eq!(few.images.into_data(), many.images.into_data());
    assert_eq!(few.passes, many.passes);
    for (few, many) in few.success_rate.iter().zip(&many.success_rate) {
        let error = (0.25f64 / 50.0 + 0.25 / 400.0).sqrt();
        assert!((few - many).abs() < 5.0 * error, "{few}, {many}");
        assert!(*many > 0.1 && *many < 0.9, "{many}");
    }
    // Without noise one draw judges.
    let off = scope(Noise::Off, || run(50));
    assert_eq!(off.judging_draws, 1);
    assert!(off.success_rate.iter().all(|rate| *rate == 0.0 || *rate == 1.0));
}

#[test]
fn no_bound_is_refused_before_the_first_pass_by_all_but_those_of_minimum_norm() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let labels = toy.predictions(&clean);
    for (case, row, bounded) in attacks(0.1) {
        let threat = Threat::unbounded(bounded.threat().norm());
        let attack = (row.make)(threat).unwrap();
        let asked = Cell::new(false);
        let model = |x: Tensor<4>| {
            asked.set(true);
            toy.logits(x)
        };
        let found = attack.on(&model).with_key(Key::new(1)).run(clean.clone(), labels.clone());
        match attack.is_minimum_norm() {
            true => assert!(found.unwrap().robust_accuracy() < 1.0, "{case}"),
            false => {
                let wanted = AttackError::Unbounded { attack: attack.name() };
                assert_eq!(found.err(), Some(wanted), "{case}");
                assert!(!asked.get(), "{case}");
            }
        }
    }
}

/// The median of the distances 0.1 to 0.4 and of images that were not broken, which count as
/// infinitely far.
#[test]
fn the_median_distance_counts_what_was_not_found_as_far() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let labels = toy.predictions(&clean);
    let pgd = Pgd::new(Threat::linf(0.1).unwrap());
    let mut found = pgd.on(&toy.classifier()).run(clean, labels).unwrap();
    found.distance = vec![0.4, 0.1, 0.3, 0.2];
    for (success_rate, wanted) in [
        (vec![1.0; 4], 0.2),
        (vec![1.0, 0.5, 1.0, 1.0], 0.3),
        (vec![0.0, 0.0, 1.0, 0.6], 0.3),
        (vec![1.0, 0.0, 0.0, 0.0], f64::INFINITY),
    ] {
        found.success_rate = success_rate;
        assert_eq!(found.median_distance(), Some(wanted), "{:?}", found.success_rate);
    }
}

/// A point in the ball where the model is right again does not stand for an original where it is
/// wrong: the attacker has the original, too.
#[test]
fn an_attack_does_not_lose_an_original_that_is_wrong() {
    let device = Device::flex();
    // Right only beside the originals, which is where random points lie. The gradient is zero.
    let model = |x: Tensor<4>| {
        let off = x.clone().sub_scalar(0.5).abs().flatten::<2>(1, 3).sum_dim(1).greater_elem(0.0);
        let right = off.float();
        let zero = x.flatten::<2>(1, 3).sum_dim(1).mul_scalar(0.0);
        Tensor::cat(vec![right.clone() + zero, right.neg() + 1.0], 1)
    };
    let (clean, labels) = (Tensor::<4>::full([3, 1, 2, 2], 0.5, &device), [0, 0, 0]);
    let labels = Tensor::<1, Int>::from_ints(labels, &device);
    let threat = Threat::linf(0.1).unwrap();
    let square = Square::new(threat).with_queries(3).unwrap();
    for attack in [&Pgd::new(threat) as &dyn Attack, &Apgd::cross_entropy(threat), &square] {
        let found = attack.on(&model).run(clean.clone(), labels.clone()).unwrap();
        assert_eq!(found.success_rate, [1.0; 3], "{}", attack.name());
        assert_eq!(found.distance, [0.0; 3], "{}", attack.name());
        assert_eq!(found.images.into_data(), clean.clone().into_data());
    }
}
