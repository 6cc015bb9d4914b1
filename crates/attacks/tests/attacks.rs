//! Every attack against linear models, where the answer is known.

mod support;

use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Attack, Eot, Goal, Iterate, Loss, Norm, Objective, Pgd, RandomNoise, Threat, input_gradient,
};
use cni_noise::{Examples, Key};
use support::{NORMS, Toy, VALUES, fraction, gap, images, largest};

/// Every attack of the crate: a new one is a new row.
fn attacks(threat: Threat) -> Vec<Box<dyn Attack>> {
    let pgd = Pgd::new(threat);
    vec![
        Box::new(Pgd::fgsm(threat)),
        Box::new(Pgd::training(threat)),
        Box::new(pgd.clone()),
        Box::new(pgd.clone().with_random_start(false).with_loss(Loss::Margin)),
        Box::new(pgd.clone().with_restarts(3).unwrap()),
        Box::new(pgd.clone().with_iterate(Iterate::Best)),
        Box::new(pgd.with_draws(2).unwrap().with_iterate(Iterate::Best).with_restarts(2).unwrap()),
        Box::new(RandomNoise::new(threat)),
        Box::new(RandomNoise::new(threat).with_samples(20).unwrap()),
    ]
}

#[test]
fn every_attack_stays_in_ball_and_box_and_reaches_its_goal_more_often() {
    let toy = Toy::new(3, DType::F32);
    let clean = images(64, DType::F32);
    let labels = toy.predictions(&clean);
    let next = labels.clone().add_scalar(1).remainder_scalar(3);
    for goal in [Goal::Misclassify(labels), Goal::Target(next)] {
        for norm in NORMS {
            for epsilon in [0.0, 8.0 / 255.0, 0.5] {
                for attack in attacks(Threat::new(norm, epsilon).unwrap()) {
                    let case = format!("{} {norm:?} {epsilon} {goal:?}", attack.name());
                    let found =
                        attack.perturb(&toy.classifier(), clean.clone(), &goal, Key::new(1), 0);
                    let moved = found.unwrap().images;
                    let distance = largest(norm.distance(&moved, &clean));
                    assert!(distance <= epsilon + 1e-6, "{case}: distance {distance}");
                    assert_eq!(gap(&moved, &moved.clone().clamp(0.0, 1.0)), 0.0, "{case}: box");
                    let reached = fraction(goal.reached(&toy.logits(moved.clone())));
                    if epsilon == 0.0 {
                        assert_eq!((gap(&moved, &clean), reached), (0.0, 0.0), "{case}");
                    } else if epsilon == 0.5 {
                        assert!(reached > 0.0, "{case}: never reached");
                    }
                }
            }
        }
    }
}

/// With two classes the loss rises everywhere along w_other − w_y, whichever loss it is.
#[test]
fn pgd_finds_the_closed_form_optimum_of_a_linear_model() {
    let toy = Toy::new(2, DType::F64);
    let clean = Tensor::<4>::full([2, 3, 2, 2], 0.5, (&toy.weight.device(), DType::F64));
    let labels = Tensor::from_ints([0, 1], &toy.weight.device());
    let rows = |i: usize| toy.weight.clone().slice(i..i + 1);
    let ascent = Tensor::cat(vec![rows(1) - rows(0), rows(0) - rows(1)], 0).reshape([2, 3, 2, 2]);
    let length = ascent.clone().square().sum_dims(&[1, 2, 3]).sqrt();
    for (norm, direction) in [(Norm::Linf, ascent.clone().sign()), (Norm::L2, ascent / length)] {
        let optimum = clean.clone() + direction * 0.1;
        let pgd = Pgd::new(Threat::new(norm, 0.1).unwrap());
        let from_image = pgd.clone().with_random_start(false);
        for (attack, tolerance) in [
            (from_image.clone(), 1e-15),
            (Pgd::fgsm(pgd.threat()), 1e-15),
            // A start aside shrinks towards the optimum by a factor of about 1/(1 + ¼) with each step.
            (pgd.clone().with_steps(200).unwrap(), 1e-14),
        ] {
            for loss in [Loss::CrossEntropy, Loss::Margin] {
                for goal in [
                    Goal::Misclassify(labels.clone()),
                    Goal::Target(labels.clone().mul_scalar(-1).add_scalar(1)),
                ] {
                    let attack = attack.clone().with_loss(loss);
                    let found =
                        attack.perturb(&toy.classifier(), clean.clone(), &goal, Key::new(2), 0);
                    let gap = gap(&found.unwrap().images, &optimum);
                    assert!(gap < tolerance, "{} {norm:?} {loss:?}: {gap}", attack.name());
                }
            }
        }
    }
}

#[test]
fn the_gradient_of_an_image_is_its_own_whatever_the_batch() {
    let toy = Toy::new(2, DType::F64);
    let clean = images(8, DType::F64);
    let goal = Goal::Misclassify(Tensor::zeros([8], &toy.weight.device()));
    let objective = Objective::new(Loss::Margin, &goal);
    let (eot, examples) = (Eot::new(3).unwrap(), Examples::default());
    let found =
        input_gradient(&toy.classifier(), &clean, &objective, eot, Key::new(7), &examples).unwrap();
    let rows = |i: usize| toy.weight.clone().slice(i..i + 1);
    let wanted = (rows(1) - rows(0)).reshape([1, 3, 2, 2]).expand([8, 3, 2, 2]);
    assert!(gap(&found.gradient, &wanted) < 1e-15);
    let margin = Loss::Margin.per_example(toy.logits(clean), goal.labels());
    assert!(gap(&found.score, &margin) < 1e-15);
    assert_eq!((found.passes.forwards, found.passes.backwards), (24, 24));
}

#[test]
fn robust_accuracy_falls_from_all_to_none_as_epsilon_grows() {
    let toy = Toy::new(2, DType::F32);
    let clean = images(64, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    for (norm, largest) in [(Norm::Linf, 1.0), (Norm::L2, (VALUES as f64).sqrt())] {
        let accuracies: Vec<f64> = [0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 1.0]
            .into_iter()
            .map(|part| {
                let attack = Pgd::new(Threat::new(norm, part * largest).unwrap());
                let found = attack.perturb(&toy.classifier(), clean.clone(), &goal, Key::new(3), 0);
                1.0 - fraction(goal.reached(&toy.logits(found.unwrap().images)))
            })
            .collect();
        assert!(accuracies.is_sorted_by(|a, b| a >= b), "{norm:?}: {accuracies:?}");
        assert_eq!((accuracies[0], accuracies[6]), (1.0, 0.0), "{norm:?}");
    }
}

#[test]
fn the_best_of_several_points_is_at_least_as_good_as_the_last() {
    let toy = Toy::new(3, DType::F32);
    let clean = images(64, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let loss = |attack: Pgd| {
        let found =
            attack.perturb(&toy.classifier(), clean.clone(), &goal, Key::new(4), 0).unwrap();
        Loss::CrossEntropy.per_example(toy.logits(found.images), goal.labels())
    };
    // Two long steps overshoot the best point of the box for many images.
    let last =
        Pgd::new(Threat::l2(0.5).unwrap()).with_steps(2).unwrap().with_step_size(0.5).unwrap();
    let worse = |better: Tensor<1>, base: Tensor<1>| largest(base - better);
    let base = loss(last.clone());
    for better in [
        last.clone().with_iterate(Iterate::Best),
        last.clone().with_restarts(4).unwrap(),
        last.with_restarts(4).unwrap().with_iterate(Iterate::Best),
    ] {
        let name = format!("{} {better:?}", better.name());
        assert!(worse(loss(better), base.clone()) <= 1e-6, "{name}");
    }
}

#[test]
fn results_follow_the_element_type_and_carry_no_graph() {
    for dtype in [DType::F32, DType::F64] {
        let toy = Toy::new(2, dtype);
        let clean = images(4, dtype).autodiff().require_grad();
        let goal = Goal::Misclassify(toy.predictions(&clean.clone().inner()));
        for norm in NORMS {
            for attack in attacks(Threat::new(norm, 0.1).unwrap()) {
                let found = attack.perturb(&toy.classifier(), clean.clone(), &goal, Key::new(5), 0);
                let moved = found.unwrap().images;
                assert_eq!(
                    (moved.dtype(), moved.is_autodiff()),
                    (dtype, false),
                    "{}",
                    attack.name()
                );
            }
        }
    }
}

#[test]
fn a_spec_holds_all_parameters() {
    let threat = Threat::linf(0.5).unwrap();
    let pgd = Pgd::new(threat).with_draws(4).unwrap().with_iterate(Iterate::Best);
    assert_eq!(
        pgd.spec(),
        serde_json::json!({
            "attack": "pgd", "threat": {"norm": "linf", "epsilon": 0.5}, "steps": 10, "step_size": 0.125,
            "random_start": true, "restarts": 1, "momentum": 0.0, "sparsity": 0.05, "draws": 4, "expectation": "loss",
            "loss": "cross_entropy", "iterate": "best",
        })
    );
    assert_eq!(
        RandomNoise::new(threat).spec(),
        serde_json::json!({
            "attack": "random_noise", "threat": {"norm": "linf", "epsilon": 0.5}, "law": "uniform", "samples": 1, "draws": 1,
            "expectation": "loss",
        })
    );
}

#[test]
fn names_tell_settings_apart() {
    let threat = Threat::l2(0.5).unwrap();
    let names: Vec<String> = attacks(threat).iter().map(|attack| attack.name()).collect();
    assert_eq!(names[..5], ["FGSM", "PGD-7", "PGD-10", "BIM-10-margin", "PGD-10-r3"]);
    assert_eq!(names[5..], ["PGD-10-best", "EOT-PGD-10x2-r2-best", "Random-1", "Random-20"]);
}
