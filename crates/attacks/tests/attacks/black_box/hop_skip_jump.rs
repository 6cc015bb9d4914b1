//! HopSkipJump.

use super::plane::Plane;
use crate::support::{Toy, gap, images, largest};
use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{Attack, Goal, HopSkipJump, Loss, Norm, Threat};
use cni_noise::Key;

/// The nearest image across a plane is `|margin| / ‖w‖` away in the dual norm. Binary searches end
/// within `d^(−3/2)` and `d⁻²` of it.
#[test]
fn hop_skip_jump_finds_the_distance_of_the_boundary() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    for (norm, tolerance) in [(Norm::L2, 0.03), (Norm::Linf, 0.05)] {
        let attack = HopSkipJump::new(Threat::unbounded(norm)).unwrap();
        let attack = attack.with_steps(15).unwrap().with_samples(60, 200).unwrap();
        let run =
            attack.on(&plane.classifier()).with_key(Key::new(8)).run(clean.clone(), &goal).unwrap();
        assert!(goal.reached(&plane.logits(run.images.clone())).all().into_scalar::<bool>());
        let found = norm.distance(&run.images, &clean).try_to_vec_as::<f64>().unwrap();
        for (found, wanted) in found.into_iter().zip(plane.distances(&clean, norm)) {
            let excess = found / wanted - 1.0;
            assert!(excess > -1e-9 && excess < tolerance, "{norm:?}: {excess} too far");
        }
        // Images outside the threat are not returned.
        let near = HopSkipJump::new(Threat::new(norm, 1e-6).unwrap()).unwrap();
        let near = near.with_steps(1).unwrap().with_samples(5, 5).unwrap();
        let run =
            near.on(&plane.classifier()).with_key(Key::new(8)).run(clean.clone(), &goal).unwrap();
        assert_eq!(gap(&run.images, &clean), 0.0);
    }
}

#[test]
fn hop_skip_jump_leaves_alone_what_is_adversarial_or_has_no_start() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let wrong = plane.classes(&clean).mul_scalar(-1).add_scalar(1);
    let attack = HopSkipJump::new(Threat::unbounded(Norm::L2)).unwrap().with_tries(3).unwrap();
    let one_class = |images: Tensor<4>| plane.logits(images).mul_scalar(0.0).add_scalar(1.0);
    let zeros = Tensor::zeros([4], &Device::flex());
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
fn the_majority_of_draws_decides_for_hop_skip_jump() {
    let mut plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    let attack = HopSkipJump::new(Threat::unbounded(Norm::L2)).unwrap().with_draws(9).unwrap();
    let attack = attack.with_steps(4).unwrap().with_samples(20, 30).unwrap();
    plane.noise = 0.1;
    let run =
        attack.on(&plane.classifier()).with_key(Key::new(10)).run(clean.clone(), &goal).unwrap();
    plane.noise = 0.0;
    // The plane moves by the median of nine draws, whose deviation is about 0.04.
    let margin = Loss::Margin.per_example(plane.logits(run.images), goal.labels());
    assert!(largest(-margin) < 0.2);
}

#[test]
fn hop_skip_jump_finds_a_rare_class_from_images_of_it() {
    let toy = Toy::new(4, DType::F64);
    let clean = images(6, DType::F64);
    // A class that no random image has: its logit is lowered by far.
    let rare = |x: Tensor<4>| {
        let logits = toy.logits(x);
        let shift = Tensor::<2>::from_data([[0.0, 0.0, 0.0, -2.0]], (&clean.device(), DType::F64));
        logits + shift
    };
    let target = toy.weight.clone().slice(3..4).sign().mul_scalar(0.5).add_scalar(0.5);
    let starts = target.reshape([1, 3, 2, 2]);
    let goal = Goal::Target(Tensor::from_ints([3; 6], &clean.device()));
    let attack = HopSkipJump::new(Threat::l2(10.0).unwrap()).unwrap().with_tries(1).unwrap();
    let attack = attack.with_steps(5).unwrap();
    let reached = |attack: &HopSkipJump| {
        let found = attack.on(&rare).with_key(Key::new(9)).run(clean.clone(), &goal).unwrap();
        goal.reached(&rare(found.images)).try_to_vec_as::<bool>().unwrap()
    };
    assert!(goal.reached(&rare(starts.clone())).all().into_scalar::<bool>());
    assert!(reached(&attack).contains(&false));
    let attack = attack.with_starts(starts.clone()).unwrap();
    assert!(!reached(&attack).contains(&false));
    assert_eq!(attack.spec()["starts"]["count"], 1);
    let others = attack.clone().with_starts(starts.clone().mul_scalar(0.5)).unwrap();
    assert_ne!(attack.spec(), others.spec());
    let bad = |value: f64| attack.clone().with_starts(starts.clone().mul_scalar(value));
    let error = bad(f64::NAN).unwrap_err().to_string();
    assert!(error.contains("got NaN or infinite values for 1 examples"), "{error}");
    let error = bad(255.0).unwrap_err().to_string();
    assert!(error.contains("wanted values in [0, 1]"), "{error}");
    let odd = attack.with_starts(starts.reshape([1, 1, 3, 4])).unwrap();
    let error = odd.on(&rare).with_key(Key::new(9)).run(clean.clone(), &goal).unwrap_err();
    assert!(error.to_string().contains("got examples of shape [1, 3, 4]"), "{error}");
}
