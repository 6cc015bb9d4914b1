//! Attacks that ask for scores or decisions alone, against linear models, where the answer is known.

mod support;

use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{
    Attack, AttackError, Goal, HopSkipJump, Loss, NAttack, Norm, Pgd, Runner, Spsa, Square, Threat,
    TracePoint,
};
use cni_noise::{Key, layer_key, normal, normal_like};
use support::{Toy, gap, images, largest};

const ALL: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

/// Two classes, told apart by one plane near the middle of the box.
struct Plane {
    /// Of the second logit, `[1, channels, height, width]`; the first is zero.
    weight: Tensor<4>,
    /// The deviation of noise on the second logit that no image changes, drawn once for a batch.
    noise: f64,
}

impl Plane {
    fn new([channels, height, width]: [usize; 3], dtype: DType) -> Self {
        let weight = normal(Key::new(31), [1, channels, height, width], &Device::flex());
        Self { weight: weight.cast(dtype), noise: 0.0 }
    }

    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let shifted = images.sub_scalar(0.5) * self.weight.clone();
        let mut second = shifted.sum_dims(&[1, 2, 3]).reshape([-1, 1]);
        if self.noise > 0.0
            && let Some(key) = layer_key("bias", &second.device())
        {
            let draw = normal_like(key, &second.clone().slice(0..1), 0);
            second = second + draw * self.noise;
        }
        Tensor::cat(vec![second.zeros_like(), second], 1)
    }

    fn classifier(&self) -> impl Fn(Tensor<4>) -> Tensor<2> + '_ {
        |images| self.logits(images)
    }

    /// Images near the middle of the box.
    fn images(&self, batch: usize) -> Tensor<4> {
        let [_, channels, height, width] = self.weight.dims();
        let draws = normal::<4>(Key::new(32), [batch, channels, height, width], &Device::flex());
        draws.cast(self.weight.dtype()).mul_scalar(0.05).add_scalar(0.5)
    }

    fn classes(&self, images: &Tensor<4>) -> Tensor<1, Int> {
        self.logits(images.clone()).argmax(1).squeeze_dim(1)
    }

    fn goal(&self, images: &Tensor<4>) -> Goal {
        Goal::Misclassify(self.classes(images))
    }

    /// How far each image is from the plane: its margin by the dual norm of the weights.
    fn distances(&self, images: &Tensor<4>, norm: Norm) -> Vec<f64> {
        let logits = self.logits(images.clone());
        let slope = self.dual(norm);
        logits
            .slice([0..images.dims()[0], 1..2])
            .abs()
            .try_to_vec_as::<f64>()
            .unwrap()
            .into_iter()
            .map(|margin| margin / slope)
            .collect()
    }

    fn dual(&self, norm: Norm) -> f64 {
        let w = self.weight.clone();
        match norm {
            Norm::Linf => w.abs().sum(),
            Norm::L2 => w.square().sum().sqrt(),
            Norm::L1 => w.abs().max(),
        }
        .into_scalar::<f64>()
    }
}

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
                            .perturb(&plane.classifier(), clean.clone(), &goal, Key::new(1), 0)
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
                attack.perturb(&plane.classifier(), images, goal, Key::new(seed), first).unwrap()
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

/// The end of a run of Square without early stop, and its trace.
fn square(plane: &Plane, clean: &Tensor<4>, attack: &Square) -> (Tensor<4>, Vec<TracePoint>) {
    let mut trace = Vec::new();
    let runner = Runner::default().with_early_stop(false).with_trace(&mut trace);
    let goal = plane.goal(clean);
    let found = runner.run(attack, &plane.classifier(), clean.clone(), &goal, Key::new(5), 0);
    (found.unwrap().images, trace)
}

/// The margin that a linear model allows within the ball is `ε ‖w‖` in the dual norm above that of the image.
#[test]
fn square_climbs_to_the_optimum_of_a_linear_model_and_never_back() {
    let plane = Plane::new([1, 6, 6], DType::F64);
    let clean = plane.images(3);
    let goal = plane.goal(&clean);
    let margin = |images: &Tensor<4>| {
        let margin = Loss::Margin.per_example(plane.logits(images.clone()), goal.labels());
        margin.try_to_vec_as::<f64>().unwrap()
    };
    for (norm, epsilon, share) in
        [(Norm::Linf, 0.05, 0.999), (Norm::L2, 0.3, 0.65), (Norm::L1, 0.5, 0.6)]
    {
        let attack = Square::new(Threat::new(norm, epsilon).unwrap()).with_rescaled_schedule(true);
        let attack = attack.with_queries(1500).unwrap();
        let (images, trace) = square(&plane, &clean, &attack);
        assert_eq!(trace.len(), 3 * 1500);
        for example in 0..3 {
            let scores: Vec<f64> =
                trace.iter().filter(|p| p.example == example).map(|p| p.score).collect();
            assert!(scores.is_sorted(), "{norm:?}: a score fell");
        }
        assert!(trace.iter().all(|point| point.distance <= epsilon * (1.0 + 1e-9)), "{norm:?}");
        for (before, after) in margin(&clean).into_iter().zip(margin(&images)) {
            let climbed = (after - before) / (epsilon * plane.dual(norm));
            assert!(climbed > share && climbed < 1.0 + 1e-9, "{norm:?}: {climbed} of the optimum");
        }
    }
}

#[test]
fn examples_leave_square_once_they_are_broken() {
    let plane = Plane::new([3, 6, 6], DType::F32);
    let clean = plane.images(8);
    let goal = plane.goal(&clean);
    let attack = Square::new(Threat::linf(0.1).unwrap()).with_queries(1000).unwrap();
    let run = attack.perturb(&plane.classifier(), clean, &goal, Key::new(6), 0).unwrap();
    assert!(run.passes.forwards < 1000, "{:?}", run.passes);
    let reached = goal.reached(&plane.logits(run.images));
    assert!(reached.all().into_scalar::<bool>());
}

/// Where the score is noise alone no candidate is better than another. Under draws of its own one would be, now and then.
#[test]
fn eot_square_accepts_nothing_by_luck() {
    let plane = Plane { weight: Tensor::zeros([1, 3, 6, 6], &Device::flex()), noise: 1.0 };
    let clean = Plane::new([3, 6, 6], DType::F32).images(4);
    for norm in ALL {
        let attack = Square::new(Threat::new(norm, 0.1).unwrap()).with_draws(4).unwrap();
        let (start, _) = square(&plane, &clean, &attack.clone().with_queries(1).unwrap());
        let (end, trace) = square(&plane, &clean, &attack.with_queries(40).unwrap());
        assert_eq!(gap(&start, &end), 0.0, "{norm:?}");
        assert!(trace.iter().all(|point| point.score == trace[0].score), "{norm:?}");
        assert_eq!(trace.len(), 4 * 40, "an example left a stochastic model");
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
            attack.perturb(&plane.classifier(), clean.clone(), &goal, Key::new(7), 0).unwrap();
        let reached = goal.reached(&plane.logits(run.images));
        assert!(reached.all().into_scalar::<bool>(), "{}", attack.name());
        assert_eq!(run.passes.backwards > 0, attack.name() == "FGSM");
    }
}

/// The nearest image across a plane is `|margin| / ‖w‖` away in the dual norm. Binary searches end within `d^(−3/2)` and
/// `d⁻²` of it.
#[test]
fn hop_skip_jump_finds_the_distance_of_the_boundary() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    for (norm, tolerance) in [(Norm::L2, 0.03), (Norm::Linf, 0.05)] {
        let attack = HopSkipJump::new(Threat::new(norm, 100.0).unwrap()).unwrap();
        let attack = attack.with_steps(15).unwrap().with_samples(60, 200).unwrap();
        let run =
            attack.perturb(&plane.classifier(), clean.clone(), &goal, Key::new(8), 0).unwrap();
        assert!(goal.reached(&plane.logits(run.images.clone())).all().into_scalar::<bool>());
        let found = norm.distance(&run.images, &clean).try_to_vec_as::<f64>().unwrap();
        for (found, wanted) in found.into_iter().zip(plane.distances(&clean, norm)) {
            let excess = found / wanted - 1.0;
            assert!(excess > -1e-9 && excess < tolerance, "{norm:?}: {excess} too far");
        }
        // What is beyond the threat is not given back.
        let near = HopSkipJump::new(Threat::new(norm, 1e-6).unwrap()).unwrap();
        let near = near.with_steps(1).unwrap().with_samples(5, 5).unwrap();
        let run = near.perturb(&plane.classifier(), clean.clone(), &goal, Key::new(8), 0).unwrap();
        assert_eq!(gap(&run.images, &clean), 0.0);
    }
}

#[test]
fn hop_skip_jump_leaves_alone_what_is_adversarial_or_has_no_start() {
    let plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let wrong = plane.classes(&clean).mul_scalar(-1).add_scalar(1);
    let attack = HopSkipJump::new(Threat::l2(100.0).unwrap()).unwrap().with_tries(3).unwrap();
    let one_class = |images: Tensor<4>| plane.logits(images).mul_scalar(0.0).add_scalar(1.0);
    let zeros = Tensor::zeros([4], &Device::flex());
    for (classifier, goal) in [
        (&plane.classifier() as &(dyn Fn(Tensor<4>) -> Tensor<2> + Sync), Goal::Misclassify(wrong)),
        (&one_class, Goal::Misclassify(zeros)),
    ] {
        let run = attack.perturb(&classifier, clean.clone(), &goal, Key::new(9), 0).unwrap();
        assert_eq!(gap(&run.images, &clean), 0.0);
        assert!(run.passes.forwards <= 4 * 4);
    }
}

#[test]
fn the_majority_of_draws_decides_for_hop_skip_jump() {
    let mut plane = Plane::new([3, 2, 3], DType::F64);
    let clean = plane.images(4);
    let goal = plane.goal(&clean);
    let attack = HopSkipJump::new(Threat::l2(100.0).unwrap()).unwrap().with_draws(9).unwrap();
    let attack = attack.with_steps(4).unwrap().with_samples(20, 30).unwrap();
    plane.noise = 0.1;
    let run = attack.perturb(&plane.classifier(), clean.clone(), &goal, Key::new(10), 0).unwrap();
    plane.noise = 0.0;
    // The plane moves by the median of nine draws, whose deviation is about 0.04.
    let margin = Loss::Margin.per_example(plane.logits(run.images), goal.labels());
    assert!(largest(-margin) < 0.2);
}

#[test]
fn names_and_specs_hold_the_parameters_and_wrong_ones_are_refused() {
    let threat = Threat::linf(0.5).unwrap();
    let linf = serde_json::json!({"norm": "linf", "epsilon": 0.5});
    assert_eq!(
        Square::new(threat).with_draws(20).unwrap().spec(),
        serde_json::json!({
            "attack": "square", "threat": linf, "queries": 5000, "share": 0.8, "restarts": 1,
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
            "most_samples": 10_000, "tries": 1000, "starts": 0, "gamma": 1.0, "draws": 1,
        })
    );
    let draws: [Box<dyn Attack>; 4] = [
        Box::new(Square::new(threat).with_queries(9).unwrap().with_draws(2).unwrap()),
        Box::new(Spsa::new(threat).with_draws(2).unwrap()),
        Box::new(NAttack::new(threat).unwrap().with_draws(2).unwrap()),
        Box::new(HopSkipJump::new(threat).unwrap().with_draws(2).unwrap()),
    ];
    let names = ["EOT-Square-9x2", "EOT-SPSA-100x2", "EOT-NAttack-500x2", "HopSkipJump-40x2"];
    assert_eq!(draws.map(|attack| attack.name()), names);
    let l1 = Threat::l1(1.0).unwrap();
    let refused = |error: AttackError| error.to_string().starts_with("norm: got L1");
    assert!(refused(NAttack::new(l1).unwrap_err()) && refused(HopSkipJump::new(l1).unwrap_err()));
    let square = Square::new(threat);
    for error in [
        square.clone().with_queries(0).unwrap_err(),
        square.clone().with_share(0.0).unwrap_err(),
        square.with_share(1.1).unwrap_err(),
        Spsa::new(threat).with_delta(f64::NAN).unwrap_err(),
        NAttack::new(threat).unwrap().with_sigma(-1.0).unwrap_err(),
        HopSkipJump::new(threat).unwrap().with_gamma(0.0).unwrap_err(),
        HopSkipJump::new(threat).unwrap().with_samples(1, 0).unwrap_err(),
    ] {
        assert!(error.to_string().contains("wanted"), "{error}");
    }
}

#[test]
fn hop_skip_jump_finds_a_rare_class_from_images_of_it() {
    let toy = Toy::new(4, DType::F64);
    let clean = images(6, DType::F64);
    // A class that no random image is of: its logit is lowered by far.
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
        let found = attack.perturb(&rare, clean.clone(), &goal, Key::new(9), 0).unwrap();
        goal.reached(&rare(found.images)).try_to_vec_as::<bool>().unwrap()
    };
    assert!(goal.reached(&rare(starts.clone())).all().into_scalar::<bool>());
    assert!(reached(&attack).contains(&false));
    let attack = attack.with_starts(starts.clone());
    assert!(!reached(&attack).contains(&false));
    assert_eq!(attack.spec()["starts"], 1);
    let odd = attack.with_starts(starts.reshape([1, 1, 3, 4]));
    let error = odd.perturb(&rare, clean.clone(), &goal, Key::new(9), 0).unwrap_err();
    assert!(error.to_string().contains("got examples of shape [1, 3, 4]"), "{error}");
}
