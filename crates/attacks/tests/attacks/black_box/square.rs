//! Square.

use super::ALL;
use super::plane::Plane;
use crate::support::gap;
use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{Attack, Loss, Norm, Square, Threat, TracePoint};
use cni_noise::Key;

/// The end of a run of Square without early stop, and its trace.
fn square(plane: &Plane, clean: &Tensor<4>, attack: &Square) -> (Tensor<4>, Vec<TracePoint>) {
    let mut trace = Vec::new();
    let goal = plane.goal(clean);
    let found = attack
        .on(&plane.classifier())
        .with_early_stop(false)
        .with_trace(&mut trace)
        .with_key(Key::new(5))
        .run(clean.clone(), &goal);
    (found.unwrap().images, trace)
}

/// The margin that a linear model allows within the ball is `ε ‖w‖` in the dual norm above that of
/// the image.
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
            let gained = (after - before) / (epsilon * plane.dual(norm));
            assert!(gained > share && gained < 1.0 + 1e-9, "{norm:?}: {gained} of the optimum");
        }
    }
}

#[test]
fn examples_leave_square_once_they_are_broken() {
    let plane = Plane::new([3, 6, 6], DType::F32);
    let clean = plane.images(8);
    let goal = plane.goal(&clean);
    let attack = Square::new(Threat::linf(0.1).unwrap()).with_queries(1000).unwrap();
    let run = attack.on(&plane.classifier()).with_key(Key::new(6)).run(clean, &goal).unwrap();
    assert!(run.passes.forwards < 1000, "{:?}", run.passes);
    let reached = goal.reached(&plane.logits(run.images));
    assert!(reached.all().into_scalar::<bool>());
}

/// If the score is only noise, no candidate is better than another under the same draws. Under
/// draws of its own, one would be now and then.
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
