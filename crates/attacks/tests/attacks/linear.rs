//! PGD and APGD against linear models, whose best perturbations are known. One file, because both
//! attacks must reach the same ones.

use crate::support::{Toy, VALUES, fraction, gap, images, largest};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    AnyRank, Apgd, Attack, Classifier, Eot, Expectation, Goal, Iterate, Loss, Norm, Objective, Pgd,
    RandomNoise, Square, Threat, input_gradient, score,
};
use cni_noise::{ExampleIds, Key};

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
            // A start aside shrinks towards the optimum by a factor of about 1/(1 + ¼) with each
            // step.
            (pgd.clone().with_steps(200).unwrap(), 1e-14),
        ] {
            for loss in [Loss::CrossEntropy, Loss::Margin] {
                for goal in [
                    Goal::Misclassify(labels.clone()),
                    Goal::Target(labels.clone().mul_scalar(-1).add_scalar(1)),
                ] {
                    let attack = attack.clone().with_loss(loss.clone());
                    let found = attack
                        .on(&toy.classifier())
                        .with_key(Key::new(2))
                        .run(clean.clone(), &goal);
                    let gap = gap(&found.unwrap().images, &optimum);
                    assert!(gap < tolerance, "{} {norm:?} {loss:?}: {gap}", attack.name());
                }
            }
        }
    }
}

/// From a random start APGD gains ε·‖w‖₁ and ε·‖w‖₂. In L1 the optimum is ε·max|w|; the schedule
/// ends at steps of two or three coordinates, which it moves by equal amounts, so it must reach the
/// mean of the three largest slopes.
#[test]
fn apgd_reaches_the_closed_form_optimum_of_a_linear_model() {
    let toy = Toy::new(2, DType::F64);
    let clean = Tensor::<4>::full([2, 3, 2, 2], 0.5, (&toy.weight.device(), DType::F64));
    let goal = Goal::Misclassify(Tensor::from_ints([0, 1], &toy.weight.device()));
    let slope = toy.weight.clone().slice(1..2) - toy.weight.clone().slice(0..1);
    let length = |norm| match norm {
        Norm::Linf => slope.clone().abs().sum().into_scalar::<f64>(),
        Norm::L2 => slope.clone().square().sum().sqrt().into_scalar::<f64>(),
        Norm::L1 => {
            let largest = slope.clone().abs().sort_descending(1).slice([0..1, 0..3]);
            largest.mean().into_scalar::<f64>()
        }
    };
    for (norm, epsilon, tolerance) in
        [(Norm::Linf, 0.1, 1e-12), (Norm::L2, 0.1, 1e-12), (Norm::L1, 0.4, 1e-12)]
    {
        for attack in [
            Apgd::cross_entropy(Threat::new(norm, epsilon).unwrap()),
            Apgd::cross_entropy(Threat::new(norm, epsilon).unwrap())
                .with_loss(Loss::Margin)
                .unwrap(),
        ] {
            // Without early stopping, which would end a run at the boundary.
            let model = toy.classifier();
            let found = attack
                .on(&model)
                .with_early_stop(false)
                .with_key(Key::new(8))
                .run(clean.clone(), &goal)
                .unwrap();
            let margin = |x: Tensor<4>| Loss::Margin.per_example(toy.logits(x), goal.labels());
            let gain = margin(found.images) - margin(clean.clone());
            let optimum = epsilon * length(norm);
            let short = largest(gain.neg().add_scalar(optimum)) / optimum;
            assert!(short < tolerance, "{} {norm:?}: short by {short}", attack.name());
        }
    }
}

/// The expectations agree for a model and a loss that are linear in the noise, and differ for other
/// losses; each gradient is the slope of its own score.
#[test]
fn each_expectation_has_its_own_gradient() {
    let toy = Toy { noise: 1.0, ..Toy::new(3, DType::F64) };
    let clean = images(4, DType::F64);
    let goal = Goal::Misclassify(Toy::new(3, DType::F64).predictions(&clean));
    let objective = Objective::new(Loss::CrossEntropy, &goal);
    let (key, examples) = (Key::new(9), ExampleIds::default());
    let mut scores = Vec::new();
    for expectation in [Expectation::Loss, Expectation::Logits, Expectation::Probabilities] {
        let eot = Eot { draws: 5, expectation };
        let of = |x: &Tensor<4>| score(&toy.classifier(), x, &objective, eot, key, &examples);
        let found = input_gradient(&toy.classifier(), &clean, &objective, eot, key, &examples);
        let found = found.unwrap();
        let at = of(&clean).unwrap();
        assert!(gap(&found.score, &at.score) < 1e-12, "{expectation:?}");
        assert!(gap(&found.logits, &at.logits) < 1e-12, "{expectation:?}");
        let direction = images(4, DType::F64).sub_scalar(0.4);
        let step = 1e-5;
        let ahead = of(&(clean.clone() + direction.clone() * step)).unwrap().score;
        let behind = of(&(clean.clone() - direction.clone() * step)).unwrap().score;
        let numeric = (ahead - behind).div_scalar(2.0 * step);
        let slope = (found.gradient * direction).sum_dims(&[1, 2, 3]).reshape([4]);
        assert!(gap(&slope, &numeric) < 1e-7, "{expectation:?}: {}", gap(&slope, &numeric));
        scores.push(at.score);
    }
    assert!(gap(&scores[0], &scores[1]) > 1e-3 && gap(&scores[1], &scores[2]) > 1e-3);
}

#[test]
fn the_gradient_of_an_image_is_its_own_whatever_the_batch() {
    let toy = Toy::new(2, DType::F64);
    let clean = images(8, DType::F64);
    let goal = Goal::Misclassify(Tensor::zeros([8], &toy.weight.device()));
    let objective = Objective::new(Loss::Margin, &goal);
    let (eot, examples) = (Eot::new(3).unwrap(), ExampleIds::default());
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
                let threat = match (norm, part) {
                    (Norm::Linf, 1.0) => Threat::whole_box(),
                    _ => Threat::new(norm, part * largest).unwrap(),
                };
                let attack = Pgd::new(threat);
                let found =
                    attack.on(&toy.classifier()).with_key(Key::new(3)).run(clean.clone(), &goal);
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
            attack.on(&toy.classifier()).with_key(Key::new(4)).run(clean.clone(), &goal).unwrap();
        Loss::Margin.per_example(toy.logits(found.images), goal.labels())
    };
    // Two long steps overshoot the best point of the box for many images.
    let last =
        Pgd::new(Threat::l2(0.5).unwrap()).with_steps(2).unwrap().with_step_size(0.5).unwrap();
    // Points are compared by their margins, whichever loss was raised.
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

/// The same model of the same values gives the same perturbation in every shape, by gradients and
/// by windows.
#[test]
fn inputs_of_any_rank_are_attacked_as_images_are() {
    let toy = Toy::new(4, DType::F64);
    let clean = images(5, DType::F64);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let attack = Apgd::dlr(Threat::l2(0.3).unwrap()).with_steps(10).unwrap();
    let wanted =
        attack.on(&toy.classifier()).with_key(Key::new(1)).run(clean.clone(), &goal).unwrap();
    let as_images = |x: Tensor<4>| x.reshape([-1, 3, 2, 2]);

    let table = AnyRank::new([12], |x: Tensor<2>| toy.logits(x.reshape([-1, 3, 2, 2]))).unwrap();
    let signal = AnyRank::new([3, 4], |x: Tensor<3>| toy.logits(x.reshape([-1, 3, 2, 2]))).unwrap();
    let volume = |x: Tensor<5>| toy.logits(x.reshape([-1, 3, 2, 2]));
    let volume = AnyRank::new([3, 2, 1, 2], volume).unwrap();
    let [flat, long, deep] = [
        table.to_images(clean.clone().reshape([5, 12])).unwrap(),
        signal.to_images(clean.clone().reshape([5, 3, 4])).unwrap(),
        volume.to_images(clean.clone().reshape([5, 3, 2, 1, 2])).unwrap(),
    ];
    let shapes = [flat.dims(), long.dims(), deep.dims()];
    assert_eq!(shapes, [[5, 1, 1, 12], [5, 3, 1, 4], [5, 3, 2, 2]]);
    for (model, inputs) in [(&table as &dyn Classifier, flat), (&signal, long), (&volume, deep)] {
        let found = attack.on(model).with_key(Key::new(1)).run(inputs.clone(), &goal).unwrap();
        assert!(gap(&as_images(found.images), &wanted.images) < 1e-12);
        let square = Square::new(Threat::linf(0.2).unwrap()).with_queries(50).unwrap();
        let found = square.on(model).with_key(Key::new(1)).run(inputs, &goal).unwrap();
        assert!(fraction(goal.reached(&model.logits(found.images))) > 0.0);
    }
    let wrong = table.to_images(clean.clone().reshape([10, 6])).unwrap_err();
    assert_eq!(wrong.to_string(), "inputs: got examples of shape [6], wanted [12]");
    let wrong = AnyRank::new([3, 4], |x: Tensor<2>| x).err().unwrap();
    assert_eq!(wrong.to_string(), "inputs: got examples of shape [3, 4], wanted [0]");
}

#[test]
fn a_spec_holds_all_parameters() {
    let threat = Threat::linf(0.5).unwrap();
    let pgd = Pgd::new(threat).with_draws(4).unwrap().with_iterate(Iterate::Best);
    assert_eq!(
        pgd.spec(),
        serde_json::json!({
            "attack": "pgd", "threat": {"norm": "linf", "epsilon": 0.5}, "steps": 10,
            "step_size": 0.125, "random_start": true, "restarts": 1, "momentum": 0.0,
            "sparsity": 0.05, "draws": 4, "expectation": "loss", "loss": "cross_entropy",
            "iterate": "best",
        })
    );
    assert_eq!(
        RandomNoise::new(threat).spec(),
        serde_json::json!({
            "attack": "random_noise", "threat": {"norm": "linf", "epsilon": 0.5}, "law": "uniform",
            "samples": 1, "draws": 1, "expectation": "loss",
        })
    );
}

#[test]
fn names_tell_settings_apart() {
    let threat = Threat::l2(0.5).unwrap();
    let pgd = Pgd::new(threat);
    let eot = pgd.clone().with_draws(2).unwrap().with_expectation(Expectation::Logits);
    let random = RandomNoise::new(threat).with_samples(20).unwrap();
    for (attack, name) in [
        (&Pgd::fgsm(threat) as &dyn Attack, "FGSM"),
        (&Pgd::random_fgsm(threat), "RS-FGSM"),
        (&Pgd::n_fgsm(threat), "N-FGSM"),
        (&Pgd::two_steps(threat), "PGD-2"),
        (&Pgd::training(threat), "PGD-7"),
        (&Pgd::bim(threat).with_loss(Loss::Margin), "BIM-10-margin"),
        (&Pgd::mi_fgsm(threat).with_loss(Loss::Dlr), "MI-FGSM-10-DLR"),
        (&pgd.clone().with_restarts(3).unwrap(), "PGD-10-r3"),
        (&pgd.with_iterate(Iterate::Best), "PGD-10-best"),
        (&eot.with_restarts(2).unwrap(), "EOT-PGD-10x2-logits-r2"),
        (&random, "Random-20"),
        (&RandomNoise::gaussian(threat).with_draws(3).unwrap(), "EOT-Gaussian-1x3"),
    ] {
        assert_eq!(attack.name(), name);
    }
}
