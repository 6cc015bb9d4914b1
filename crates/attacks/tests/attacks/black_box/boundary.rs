//! The Boundary attack.

use super::plane::Plane;
use crate::support::{gap, largest};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Attack, BoundaryAttack, Budget, Goal, HopSkipJump, Loss, Norm, Threat, TracePoint,
};
use cni_noise::Key;

fn far() -> BoundaryAttack {
    BoundaryAttack::new(Threat::unbounded(Norm::L2)).unwrap()
}

/// The nearest image across a plane is `|margin| / ‖w‖` away.
#[test]
fn the_boundary_attack_finds_the_distance_of_the_boundary() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    let attack = far().with_steps(1500).unwrap().with_interval(2).unwrap();
    let run =
        attack.on(&plane.classifier()).with_key(Key::new(8)).run(clean.clone(), &goal).unwrap();
    assert!(goal.reached(&plane.logits(run.images.clone())).all().into_scalar::<bool>());
    let found = Norm::L2.distance(&run.images, &clean).try_to_vec_as::<f64>().unwrap();
    for (found, wanted) in found.into_iter().zip(plane.distances(&clean, Norm::L2)) {
        let excess = found / wanted - 1.0;
        assert!(excess > -1e-9 && excess < 0.03, "{excess} too far");
    }
    // Images outside the threat are not returned.
    let near = BoundaryAttack::new(Threat::l2(1e-6).unwrap()).unwrap().with_steps(20).unwrap();
    let run = near.on(&plane.classifier()).with_key(Key::new(8)).run(clean.clone(), &goal).unwrap();
    assert_eq!(gap(&run.images, &clean), 0.0);
}

fn walked(plane: &Plane, clean: &Tensor<4>, attack: &dyn Attack) -> (Tensor<4>, Vec<TracePoint>) {
    let mut trace = Vec::new();
    let model = plane.classifier();
    let run = attack
        .on(&model)
        .with_trace(&mut trace)
        .with_key(Key::new(9))
        .run(clean.clone(), plane.goal(clean));
    (run.unwrap().images, trace)
}

#[test]
fn no_step_of_a_walk_leads_away_and_sizes_that_follow_success_come_nearer() {
    let plane = Plane::new([3, 3, 4], DType::F32);
    let clean = plane.images(3);
    let nearest = plane.distances(&clean, Norm::L2);
    let mean_excess = |attack: BoundaryAttack| {
        let (images, trace) = walked(&plane, &clean, &attack);
        for example in 0..3 {
            let scores: Vec<f64> =
                trace.iter().filter(|p| p.example == example).map(|p| p.score).collect();
            assert!(scores.len() == 600 && scores.is_sorted(), "a walk led away");
        }
        let found = Norm::L2.distance(&images, &clean).try_to_vec_as::<f64>().unwrap();
        found.iter().zip(&nearest).map(|(found, wanted)| found / wanted - 1.0).sum::<f64>() / 3.0
    };
    let attack = far().with_steps(600).unwrap();
    let adapted = mean_excess(attack.clone().with_interval(1).unwrap());
    let fixed = mean_excess(attack.with_interval(601).unwrap());
    assert!(adapted < 0.5 * fixed, "{adapted} of {fixed}");
}

#[test]
fn examples_leave_a_walk_once_they_have_converged() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let attack = far().with_steps(400).unwrap().with_interval(1).unwrap();
    let steps = |attack: BoundaryAttack| walked(&plane, &clean, &attack).1.len();
    assert_eq!(steps(attack.clone().with_convergence(0.0).unwrap()), 4 * 400);
    // Every first step towards the original is shorter than this.
    assert_eq!(steps(attack.clone().with_convergence(0.02).unwrap()), 4);
    // At the end of a walk steps shrink.
    let some = steps(attack.with_convergence(0.005).unwrap());
    assert!((5..4 * 400).contains(&some), "{some}");
}

/// In addition to the start, each step asks for one decision, and each that adapts for two.
#[test]
fn the_decisions_of_a_walk_are_counted_to_the_last() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(1);
    let asked = |steps: usize, draws: usize| {
        let attack = far().with_steps(steps).unwrap().with_draws(draws).unwrap();
        let run = attack
            .on(&plane.classifier())
            .with_key(Key::new(8))
            .run(clean.clone(), plane.goal(&clean));
        run.unwrap().passes.forwards
    };
    assert_eq!(asked(39, 1) - asked(1, 1), 38 + 3);
    assert_eq!(asked(39, 3), 3 * asked(39, 1));
    // A budget that ends within the walk is used up.
    let attack = far().with_steps(39).unwrap();
    for allowed in [1, 2, 7, asked(1, 1) + 9, asked(1, 1) + 10] {
        let budget = Budget { forwards: Some(allowed), ..Budget::default() };
        let (model, goal) = (plane.classifier(), plane.goal(&clean));
        let run = attack
            .on(&model)
            .with_budget(budget)
            .with_key(Key::new(8))
            .run(clean.clone(), &goal)
            .unwrap();
        assert_eq!((run.passes.forwards, run.exhausted), (allowed, true));
    }
}

#[test]
fn the_boundary_attack_leaves_alone_what_is_adversarial_or_has_no_start() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let wrong = plane.classes(&clean).mul_scalar(-1).add_scalar(1);
    let attack = far().with_tries(3).unwrap();
    let one_class = |images: Tensor<4>| plane.logits(images).mul_scalar(0.0).add_scalar(1.0);
    let zeros = Tensor::zeros([4], &clean.device());
    for (classifier, goal) in [
        (&plane.classifier() as &(dyn Fn(Tensor<4>) -> Tensor<2> + Sync), Goal::Misclassify(wrong)),
        (&one_class, Goal::Misclassify(zeros)),
    ] {
        let run = attack.on(&classifier).with_key(Key::new(9)).run(clean.clone(), &goal).unwrap();
        assert_eq!(gap(&run.images, &clean), 0.0);
        assert!(run.passes.forwards <= 4 * 4);
    }
}

#[test]
fn a_walk_begins_at_the_images_that_it_is_given() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    // Class 1 is in one corner of the box alone, and no random image is there.
    let rare = |x: Tensor<4>| {
        let logits = plane.logits(x);
        let low = Tensor::<2>::from_data([[0.0, -5.0]], (&clean.device(), DType::F64));
        logits + low
    };
    let starts = plane.weight.clone().sign().mul_scalar(0.5).add_scalar(0.5);
    let goal = Goal::Target(Tensor::from_ints([1; 4], &clean.device()));
    let attack = far().with_tries(1).unwrap().with_steps(300).unwrap();
    let reached = |attack: &BoundaryAttack| {
        let found = attack.on(&rare).with_key(Key::new(9)).run(clean.clone(), &goal).unwrap();
        goal.reached(&rare(found.images)).try_to_vec_as::<bool>().unwrap()
    };
    assert_eq!(reached(&attack), [false; 4]);
    let attack = attack.with_starts(starts.clone()).unwrap();
    assert_eq!(reached(&attack), [true; 4]);
    assert_eq!(attack.spec()["starts"]["count"], 1);
    let odd = attack.with_starts(starts.reshape([1, 1, 3, 6])).unwrap();
    let error = odd.on(&rare).with_key(Key::new(9)).run(clean.clone(), &goal).unwrap_err();
    assert!(error.to_string().contains("got examples of shape [1, 3, 6]"), "{error}");
}

#[test]
fn the_majority_of_draws_decides_for_the_boundary_attack() {
    let mut plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    let attack = far().with_draws(9).unwrap().with_steps(600).unwrap().with_interval(2).unwrap();
    plane.noise = 0.1;
    let run =
        attack.on(&plane.classifier()).with_key(Key::new(10)).run(clean.clone(), &goal).unwrap();
    plane.noise = 0.0;
    // The plane moves by the median of nine draws, whose deviation is about 0.04.
    let margin = Loss::Margin.per_example(plane.logits(run.images), goal.labels());
    assert!(largest(margin.abs()) < 0.3);
}

/// The claim of HopSkipJump's authors: as near with far fewer decisions.
#[test]
fn the_boundary_attack_needs_more_decisions_than_hop_skip_jump() {
    let plane = Plane::new([3, 4, 4], DType::F32);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    let distance = |attack: &dyn Attack| {
        let budget = Budget { forwards: Some(600), ..Budget::default() };
        let model = plane.classifier();
        let run = attack
            .on(&model)
            .with_budget(budget)
            .with_key(Key::new(8))
            .run(clean.clone(), &goal)
            .unwrap();
        assert!(goal.reached(&plane.logits(run.images.clone())).all().into_scalar::<bool>());
        Norm::L2.distance(&run.images, &clean).mean().into_scalar::<f64>()
    };
    let jumps = distance(&HopSkipJump::new(Threat::unbounded(Norm::L2)).unwrap());
    let walks = distance(&far());
    assert!(jumps < walks, "{jumps}, {walks}");
}
