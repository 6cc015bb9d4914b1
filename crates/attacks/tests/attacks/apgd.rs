//! The balls in which APGD ascends, and the iterations at which its examples leave.

use crate::support::{Toy, images, largest};
use burn::tensor::{DType, Tensor};
use cni_attacks::{Apgd, Attack, Goal, Norm, Passes, Threat};
use cni_noise::Key;
use std::cell::RefCell;

/// Every stage takes a pass at its start and one in each of its iterations: 30, 30 and 40 % of all,
/// the first two rounded up.
#[test]
fn an_enlarged_start_climbs_in_three_balls_and_ends_in_that_of_the_threat() {
    let toy = Toy::new(2, DType::F64);
    let clean = images(4, DType::F64).mul_scalar(0.0).add_scalar(0.5);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let epsilon = 0.1;
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        for (steps, parts) in [(20, [6, 6, 8]), (7, [3, 3, 1])] {
            let attack = Apgd::cross_entropy(Threat::new(norm, epsilon).unwrap());
            let attack = attack.with_steps(steps).unwrap().with_enlarged_start(true);
            let farthest = RefCell::new(Vec::new());
            let model = |x: Tensor<4>| {
                if x.is_require_grad() {
                    farthest.borrow_mut().push(largest(norm.distance(&x.clone().inner(), &clean)));
                }
                toy.logits(x)
            };
            attack
                .on(&model)
                .with_early_stop(false)
                .with_key(Key::new(1))
                .perturb(clean.clone(), &goal)
                .unwrap();
            let mut farthest = farthest.into_inner().into_iter();
            for (stage, part) in parts.into_iter().enumerate() {
                let radius = (3 - stage) as f64 * epsilon;
                for step in 0..=part {
                    let distance = farthest.next().unwrap();
                    let case = format!("{norm:?} {steps}, {stage}, {step}: {distance}");
                    assert!(distance <= radius * (1.0 + 1e-9), "{case} of {radius}");
                    // A stage starts at the surface of its ball, and never falls back into that of
                    // the next.
                    let least = if step == 0 { radius * (1.0 - 1e-9) } else { radius - epsilon };
                    assert!(distance > least, "{case} of {radius}");
                }
            }
            assert_eq!(farthest.next(), None, "{norm:?} {steps}");
        }
    }
}

#[test]
fn examples_leave_apgd_at_the_first_point_that_reaches_the_goal() {
    let toy = Toy::new(4, DType::F32);
    let (steps, examples) = (15, 24);
    let clean = images(examples, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let reached = |x: Tensor<4>| goal.reached(&toy.logits(x)).try_to_vec_as::<bool>().unwrap();
    let points: RefCell<Vec<Vec<bool>>> = RefCell::default();
    let model = |x: Tensor<4>| {
        if x.is_require_grad() {
            points.borrow_mut().push(reached(x.clone().inner()));
        }
        toy.logits(x)
    };
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        let threat = Threat::new(norm, if norm == Norm::Linf { 0.1 } else { 0.3 }).unwrap();
        let attack = Apgd::cross_entropy(threat).with_steps(steps).unwrap();
        points.borrow_mut().clear();
        let whole = attack
            .on(&model)
            .with_early_stop(false)
            .with_key(Key::new(2))
            .perturb(clean.clone(), &goal)
            .unwrap();
        let first: Vec<Option<usize>> = (0..examples)
            .map(|row| points.borrow().iter().position(|reached| reached[row]))
            .collect();
        let wanted: usize = first.iter().map(|first| first.unwrap_or(steps) + 1).sum();
        assert_eq!(whole.passes.backwards, ((steps + 1) * examples) as u64, "{norm:?}");
        assert!(wanted < (steps + 1) * examples, "{norm:?}");

        let found = attack
            .on(&toy.classifier())
            .with_key(Key::new(2))
            .perturb(clean.clone(), &goal)
            .unwrap();
        // In addition to the gradients, four draws of eight images and four of points beside them
        // look for noise.
        let passes = Passes { forwards: wanted as u64 + 64, backwards: wanted as u64 };
        assert_eq!(found.passes, passes, "{norm:?}");
        let broken: Vec<bool> = first.iter().map(Option::is_some).collect();
        assert_eq!(reached(found.images), broken, "{norm:?}");
    }
}
