//! PGD's momentum and its early stop.

use crate::support::{NORMS, Toy, gap, images};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Adversarial, Attack, Goal, Iterate, Knob, Loss, Norm, Passes, Pgd, RandomStart, Threat,
};
use cni_noise::Key;
use std::cell::RefCell;

/// `m ← μ m + g / ‖g‖₁`, step along `m`, project; on a model whose slopes change their signs on the
/// way, so that the past matters.
#[test]
fn momentum_is_that_of_a_loop_written_by_hand() {
    let toy = Toy::new(4, DType::F64);
    let model = |x: Tensor<4>| toy.logits(x.mul_scalar(30.0).sin());
    let clean = images(6, DType::F64);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let slope = |x: &Tensor<4>| {
        let leaf = x.clone().autodiff().require_grad();
        let loss = Loss::CrossEntropy.per_example(model(leaf.clone()), goal.labels()).sum();
        leaf.grad(&loss.backward()).unwrap()
    };
    let by_hand = |norm: Norm, epsilon: f64, momentum: f64| {
        let (mut x, mut past) = (clean.clone(), clean.zeros_like());
        for _ in 0..10 {
            let slope = slope(&x);
            let length = slope.clone().abs().sum_dims(&[1, 2, 3]);
            past = past * momentum + slope / length;
            let step = norm.steepest_step(past.clone(), epsilon / 10.0);
            x = norm.project(x + step, &clean, epsilon);
        }
        x
    };
    for norm in NORMS {
        let epsilon = 0.2;
        let attack = Pgd::mi_fgsm(Threat::new(norm, epsilon).unwrap());
        let other = attack.clone().with_momentum(0.6).unwrap();
        for (momentum, attack) in [(1.0, attack), (0.6, other)] {
            let found = attack.on(&model).with_key(Key::new(1)).run(clean.clone(), &goal);
            let found = found.unwrap().images;
            let case = format!("{norm:?} {momentum}");
            assert!(gap(&found, &by_hand(norm, epsilon, momentum)) < 1e-12, "{case}");
            assert!(gap(&found, &by_hand(norm, epsilon, 0.0)) > 1e-2, "{case}: momentum is idle");
        }
    }
}

/// Start, step and projection in single precision, where kernels take them, against tensor
/// operations.
#[test]
fn a_run_in_linf_is_that_of_tensor_operations_to_the_bit() {
    let toy = Toy::new(4, DType::F32);
    let model = |x: Tensor<4>| toy.logits(x.mul_scalar(30.0).sin());
    let (clean, norm) = (images(40, DType::F32), Norm::Linf);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    for epsilon in [8.0 / 255.0, 0.3, 1e-9] {
        for random_start in [false, true] {
            let attack = Pgd::new(Threat::linf(epsilon).unwrap()).with_random_start(random_start);
            let attack = attack.with_step_size(epsilon / 3.0).unwrap().with_steps(9).unwrap();
            let found = attack.on(&model).with_key(Key::new(1)).perturb(clean.clone(), &goal);
            let found = found.unwrap();

            let mut x = clean.clone();
            if random_start {
                let key = Key::new(1).child(0).named("start");
                let change = norm.random_start(key, &clean, epsilon, &0.into());
                x = norm.project(x + change, &clean, epsilon);
            }
            for _ in 0..9 {
                let leaf = x.clone().autodiff().require_grad();
                let loss = Loss::CrossEntropy.per_example(model(leaf.clone()), goal.labels());
                let slope = leaf.grad(&loss.sum().backward()).unwrap();
                x = norm.project(x + norm.steepest_step(slope, epsilon / 3.0), &clean, epsilon);
            }
            assert_eq!(found.images.into_data(), x.into_data(), "{epsilon} {random_start}");
        }
    }
}

const STEPS: usize = 12;
const EXAMPLES: usize = 24;

fn pgd() -> Pgd {
    Pgd::new(Threat::linf(0.15).unwrap()).with_steps(STEPS).unwrap()
}

fn run(attack: &Pgd, toy: &Toy, goal: &Goal, early_stop: bool) -> Adversarial {
    let clean = images(EXAMPLES, DType::F32);
    attack
        .on(&toy.classifier())
        .with_early_stop(early_stop)
        .with_key(Key::new(2))
        .run(clean, goal)
        .unwrap()
}

fn reached(toy: &Toy, goal: &Goal, images: Tensor<4>) -> Vec<bool> {
    goal.reached(&toy.logits(images)).try_to_vec_as().unwrap()
}

#[test]
fn with_early_stop_an_example_leaves_at_the_first_point_that_reaches_the_goal() {
    let toy = Toy::new(4, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&images(EXAMPLES, DType::F32)));
    // The number of steps of the whole run in which each example has not yet reached the goal.
    let points: RefCell<Vec<Vec<bool>>> = RefCell::default();
    let model = |x: Tensor<4>| {
        points.borrow_mut().push(reached(&toy, &goal, x.clone().inner()));
        toy.logits(x)
    };
    let clean = images(EXAMPLES, DType::F32);
    let whole = pgd()
        .on(&model)
        .with_early_stop(false)
        .with_key(Key::new(2))
        .perturb(clean, &goal)
        .unwrap();
    let points = points.into_inner();
    assert_eq!(points.len(), STEPS);
    let passes = (0..EXAMPLES).map(|row| {
        let first = points.iter().position(|reached| reached[row]);
        first.map_or(STEPS, |step| step + 1) as u64
    });
    let wanted = passes.sum::<u64>();
    assert!(wanted < (STEPS * EXAMPLES) as u64);

    let stopped = run(&pgd(), &toy, &goal, true);
    // In addition to the gradients, four draws of eight images and four of points beside them
    // look for noise.
    assert_eq!(stopped.passes, Passes { forwards: wanted + 64, backwards: wanted });
    let images = [whole.images, stopped.images];
    let [whole, stopped] = images.map(|images| reached(&toy, &goal, images));
    assert!(whole.contains(&true));
    assert!(whole.iter().zip(&stopped).all(|(whole, stopped)| *stopped || !whole));
}

#[test]
fn no_example_leaves_early_where_draws_decide_or_the_best_point_is_sought() {
    let quiet = Toy::new(4, DType::F32);
    let noisy = Toy { noise: 0.5, ..quiet.clone() };
    let goal = Goal::Misclassify(quiet.predictions(&images(EXAMPLES, DType::F32)));
    for (toy, attack) in [(&noisy, pgd()), (&quiet, pgd().with_iterate(Iterate::Best))] {
        let [whole, stopped] = [false, true].map(|early| run(&attack, toy, &goal, early));
        assert_eq!(stopped.passes.backwards, (STEPS * EXAMPLES) as u64);
        assert_eq!(gap(&stopped.images, &whole.images), 0.0);
    }
}

/// `x₁ = clip(x + U(−2ε, 2ε))`, `x₂ = clip(x₁ + ε · sign ∇)`, with no projection to a ball.
#[test]
fn n_fgsm_is_its_formula_and_leaves_the_ball_that_is_trained_against() {
    let toy = Toy::new(4, DType::F32);
    let (clean, epsilon) = (images(40, DType::F32), 0.05);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let attack = Pgd::n_fgsm(Threat::linf(epsilon).unwrap());
    let model = toy.classifier();
    let found = attack.on(&model).with_key(Key::new(1)).run(clean.clone(), &goal).unwrap();
    let key = Key::new(1).child(0).named("start");
    let change = Norm::Linf.random_start(key, &clean, 2.0 * epsilon, &0.into());
    let start = (clean.clone() + change).clamp(0.0, 1.0);
    let leaf = start.clone().autodiff().require_grad();
    let loss = Loss::CrossEntropy.per_example(toy.logits(leaf.clone()), goal.labels());
    let slope = leaf.grad(&loss.sum().backward()).unwrap();
    let by_hand = (start + slope.sign() * epsilon).clamp(0.0, 1.0);
    assert!(gap(&found.images, &by_hand) < 1e-6);
    assert!(found.distance.iter().any(|far| *far > 2.5 * epsilon));
    assert_eq!(found.passes.backwards, 40);
    // The knob of the radius scales start and step along.
    let wide = attack.with_knob(Knob::Epsilon(0.3)).unwrap();
    let wanted = Pgd::n_fgsm(Threat::linf(0.1).unwrap());
    let near = |a: &serde_json::Value, b: &serde_json::Value| {
        (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-12
    };
    let (wide, wanted) = (wide.spec(), wanted.spec());
    assert!(near(&wide["step_size"], &wanted["step_size"]));
    assert!(near(&wide["random_start"]["uniform"], &wanted["random_start"]["uniform"]));
}

/// Of 40 · 12 values away from the faces of the box; the standard error of their standard deviation
/// is a 31st of it.
#[test]
fn a_gaussian_start_is_as_far_from_the_image_as_was_told() {
    let clean = Tensor::<4>::full([40, 3, 2, 2], 0.5, &burn::tensor::Device::flex());
    let toy = Toy::new(4, DType::F32);
    let seen: RefCell<Vec<Tensor<4>>> = RefCell::default();
    let model = |x: Tensor<4>| {
        seen.borrow_mut().push(x.clone().inner());
        toy.logits(x)
    };
    let start = RandomStart::gaussian(0.001).unwrap();
    let attack = Pgd::new(Threat::linf(0.1).unwrap()).with_random_start(start);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    attack.on(&model).with_stochastic(false).perturb(clean.clone(), &goal).unwrap();
    let change = seen.borrow()[0].clone() - clean;
    let std = change.clone().square().mean().sqrt().into_scalar::<f64>();
    assert!((std / 0.001 - 1.0).abs() < 4.0 / 31.0, "{std}");
    assert!(change.mean().abs().into_scalar::<f64>() < 4.0 * 0.001 / (480f64).sqrt());
}
