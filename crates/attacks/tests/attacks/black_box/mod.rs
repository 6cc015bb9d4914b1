//! Attacks that ask for scores or decisions alone, against linear models with known answers.

mod boundary;
mod hop_skip_jump;
mod plane;
mod square;

use crate::support::{gap, largest};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Attack, AttackError, BoundaryAttack, Goal, HopSkipJump, NAttack, Norm, Pgd, Spsa, Square,
    Threat,
};
use cni_noise::Key;
use plane::Plane;

const ALL: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

fn attacks(threat: Threat) -> Vec<Box<dyn Attack>> {
    let mut all: Vec<Box<dyn Attack>> = vec![
        Box::new(Square::new(threat).with_queries(150).unwrap().with_restarts(2).unwrap()),
        Box::new(Spsa::new(threat).with_steps(10).unwrap().with_samples(4).unwrap()),
    ];
    if let Ok(attack) = NAttack::new(threat) {
        all.push(Box::new(attack.with_steps(5).unwrap().with_population(10).unwrap()));
    }
    if let Ok(attack) = HopSkipJump::new(threat) {
        all.push(Box::new(attack.with_steps(3).unwrap().with_samples(10, 12).unwrap()));
    }
    if let Ok(attack) = BoundaryAttack::new(threat) {
        let attack = attack.with_steps(150).unwrap().with_interval(1).unwrap();
        all.push(Box::new(attack.with_step_sizes(0.1, 0.1).unwrap()));
    }
    all
}

#[test]
fn results_stay_in_ball_and_box_whatever_the_shape_and_goal() {
    for shape in [[3, 5, 5], [1, 4, 9], [2, 1, 12], [1, 1, 1]] {
        for dtype in [DType::F32, DType::F64] {
            let plane = Plane::new(shape, dtype);
            // Some pixels at the faces of the box.
            let clean = plane.images(4).sub_scalar(0.5).mul_scalar(8.0).add_scalar(0.5);
            let clean = clean.clamp(0.0, 1.0);
            let other = plane.classes(&clean).mul_scalar(-1).add_scalar(1);
            for goal in [plane.goal(&clean), Goal::Target(other)] {
                for norm in ALL {
                    for attack in attacks(Threat::new(norm, 0.1).unwrap()) {
                        let case = format!("{} {norm:?} {shape:?} {dtype:?}", attack.name());
                        let found = attack
                            .on(&plane.classifier())
                            .with_key(Key::new(1))
                            .run(clean.clone(), &goal)
                            .unwrap();
                        let moved = found.images;
                        assert_eq!((moved.dims(), moved.dtype()), (clean.dims(), dtype), "{case}");
                        let distance = largest(norm.distance(&moved, &clean));
                        assert!(distance <= 0.1 + 1e-6, "{case}: distance {distance}");
                        assert_eq!(gap(&moved, &moved.clone().clamp(0.0, 1.0)), 0.0, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn results_follow_key_and_example_number_not_the_company() {
    let plane = Plane::new([3, 5, 4], DType::F64);
    let clean = plane.images(6);
    let goal = plane.goal(&clean);
    for norm in ALL {
        // Some examples reach the goal, and leave the batch.
        let mut distances = plane.distances(&clean, norm);
        distances.sort_by(f64::total_cmp);
        for attack in attacks(Threat::new(norm, 1.5 * distances[2]).unwrap()) {
            let case = format!("{} {norm:?}", attack.name());
            let run = |images: Tensor<4>, goal: &Goal, seed, first| {
                attack
                    .on(&plane.classifier())
                    .with_key(Key::new(seed))
                    .with_examples(first)
                    .run(images, goal)
                    .unwrap()
            };
            let whole = run(clean.clone(), &goal, 3, 40).images;
            assert_eq!(gap(&whole, &run(clean.clone(), &goal, 3, 40).images), 0.0, "{case}");
            assert!(gap(&whole, &run(clean.clone(), &goal, 4, 40).images) > 0.0, "{case}");
            for row in 0..6 {
                let image = clean.clone().slice(row..row + 1);
                let alone = run(image.clone(), &plane.goal(&image), 3, 40 + row as u64).images;
                let gap = gap(&alone, &whole.clone().slice(row..row + 1));
                assert!(gap < 1e-9, "{case}: row {row} differs by {gap}");
            }
        }
    }
}

#[test]
fn spsa_and_nattack_break_what_fgsm_breaks() {
    let plane = Plane::new([3, 3, 3], DType::F32);
    let clean = plane.images(8);
    let goal = plane.goal(&clean);
    let farthest = plane.distances(&clean, Norm::Linf).into_iter().fold(0.0, f64::max);
    let threat = Threat::linf(1.3 * farthest).unwrap();
    let spsa = Spsa::new(threat).with_samples(16).unwrap().with_steps(40).unwrap();
    let nattack = NAttack::new(threat).unwrap().with_population(40).unwrap();
    let nattack = nattack.with_steps(60).unwrap();
    for attack in [&Pgd::fgsm(threat) as &dyn Attack, &spsa, &nattack] {
        let run =
            attack.on(&plane.classifier()).with_key(Key::new(7)).run(clean.clone(), &goal).unwrap();
        let reached = goal.reached(&plane.logits(run.images));
        assert!(reached.all().into_scalar::<bool>(), "{}", attack.name());
        assert_eq!(run.passes.backwards > 0, attack.name() == "FGSM");
    }
}

#[test]
fn names_and_specs_hold_the_parameters_and_wrong_ones_are_refused() {
    let threat = Threat::linf(0.5).unwrap();
    let linf = serde_json::json!({"norm": "linf", "epsilon": 0.5});
    assert_eq!(
        Square::new(threat).with_draws(20).unwrap().spec(),
        serde_json::json!({
            "attack": "square", "threat": linf, "queries": 5000, "p_init": 0.8, "restarts": 1,
            "rescaled_schedule": false, "draws": 20, "expectation": "loss",
        })
    );
    assert_eq!(
        Spsa::new(threat).spec(),
        serde_json::json!({
            "attack": "spsa", "threat": linf, "steps": 100, "samples": 128, "delta": 0.01,
            "learning_rate": 0.01, "draws": 1, "expectation": "loss",
        })
    );
    assert_eq!(
        NAttack::new(threat).unwrap().spec(),
        serde_json::json!({
            "attack": "n_attack", "threat": linf, "steps": 500, "population": 300, "sigma": 0.1,
            "learning_rate": 0.02, "draws": 1, "expectation": "loss",
        })
    );
    assert_eq!(
        HopSkipJump::new(threat).unwrap().spec(),
        serde_json::json!({
            "attack": "hop_skip_jump", "threat": linf, "steps": 40, "first_samples": 100,
            "most_samples": 10_000, "tries": 1000, "starts": null, "gamma": 1.0, "draws": 1,
        })
    );
    let l2 = Threat::l2(0.5).unwrap();
    let boundary = || BoundaryAttack::new(l2).unwrap();
    assert_eq!(
        boundary().spec(),
        serde_json::json!({
            "attack": "boundary", "threat": {"norm": "l2", "epsilon": 0.5}, "steps": 25_000,
            "across": 0.01, "towards": 0.01, "adaptation": 1.5, "interval": 10,
            "convergence": 1e-7, "tries": 1000, "starts": null, "draws": 1,
        })
    );
    let draws: [Box<dyn Attack>; 5] = [
        Box::new(Square::new(threat).with_queries(9).unwrap().with_draws(2).unwrap()),
        Box::new(Spsa::new(threat).with_draws(2).unwrap()),
        Box::new(NAttack::new(threat).unwrap().with_draws(2).unwrap()),
        Box::new(HopSkipJump::new(threat).unwrap().with_draws(2).unwrap()),
        Box::new(boundary().with_draws(2).unwrap()),
    ];
    let names = [
        "EOT-Square-9x2",
        "EOT-SPSA-100x2",
        "EOT-NAttack-500x2",
        "HopSkipJump-40x2",
        "Boundary-25000x2",
    ];
    assert_eq!(draws.map(|attack| attack.name()), names);
    let l1 = Threat::l1(1.0).unwrap();
    let refused = |error: AttackError| error.to_string().starts_with("norm: got L1");
    assert!(refused(NAttack::new(l1).unwrap_err()) && refused(HopSkipJump::new(l1).unwrap_err()));
    assert!(refused(BoundaryAttack::new(l1).unwrap_err()));
    let square = Square::new(threat);
    for error in [
        square.clone().with_queries(0).unwrap_err(),
        square.clone().with_p_init(0.0).unwrap_err(),
        square.with_p_init(1.1).unwrap_err(),
        Spsa::new(threat).with_delta(f64::NAN).unwrap_err(),
        NAttack::new(threat).unwrap().with_sigma(-1.0).unwrap_err(),
        HopSkipJump::new(threat).unwrap().with_gamma(0.0).unwrap_err(),
        HopSkipJump::new(threat).unwrap().with_samples(1, 0).unwrap_err(),
        BoundaryAttack::new(threat).unwrap_err(),
        boundary().with_steps(0).unwrap_err(),
        boundary().with_step_sizes(0.0, 0.1).unwrap_err(),
        boundary().with_step_sizes(0.1, 1.0).unwrap_err(),
        boundary().with_step_sizes(f64::NAN, 0.1).unwrap_err(),
        boundary().with_adaptation(1.0).unwrap_err(),
        boundary().with_interval(0).unwrap_err(),
        boundary().with_convergence(-0.1).unwrap_err(),
        boundary().with_tries(0).unwrap_err(),
        boundary().with_draws(0).unwrap_err(),
    ] {
        assert!(error.to_string().contains("wanted"), "{error}");
    }
}
