//! Images and models in half precision.

use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{
    Attack, BoundaryAttack, CarliniWagner, CarliniWagnerLinf, Ead, Fmn, Goal, Loss, Norm, PairLoss,
    Pgd, Threat,
};
use cni_noise::Key;

/// A linear model of images of 64² pixels in three channels, whose slopes add up to 196,608, while
/// half precision ends at 65,504. Its logits are small: half of the slopes are negative.
fn steep(x: Tensor<4>) -> Tensor<2> {
    let [batch, ..] = x.dims();
    let pixels = x.sub_scalar(0.5);
    let [upper, lower] =
        [0..32, 32..64].map(|rows| pixels.clone().slice([0..batch, 0..3, rows, 0..64]));
    let score = (upper - lower).flatten::<2>(1, 3).mul_scalar(16.0).sum_dim(1);
    Tensor::cat(vec![score.clone(), -score], 1)
}

fn images() -> Tensor<4> {
    Tensor::<4>::full([2, 3, 64, 64], 0.5, &Device::flex()).cast(DType::F16)
}

fn goal() -> Goal {
    Goal::Misclassify(Tensor::<1, Int>::zeros([2], &Device::flex()))
}

#[test]
fn a_gradient_whose_sum_is_beyond_half_precision_is_finite() {
    for threat in [Threat::linf(0.002), Threat::l2(0.1), Threat::l1(120.0)] {
        let threat = threat.unwrap();
        let attack = Pgd::new(threat).with_random_start(false).with_loss(Loss::Margin);
        let found = attack.on(&steep).with_key(Key::new(1)).run(images(), goal()).unwrap();
        assert_eq!(found.images.dtype(), DType::F16);
        assert_eq!(found.zero_gradients, [0u64; 0], "{threat}");
        let reached = goal().reached(&steep(found.images)).all().into_scalar::<bool>();
        assert!(reached, "{threat}");
    }
}

#[test]
fn lengths_of_half_precision_neither_overflow_nor_vanish() {
    let ones = images().mul_scalar(2.0);
    let count = 3.0 * 64.0 * 64.0;
    let read = |norm: Norm, x: Tensor<4>| norm.length(x).max().into_scalar::<f64>();
    assert_eq!(read(Norm::L1, ones.clone().mul_scalar(8.0)), 8.0 * count);
    assert!((read(Norm::L2, ones.clone().mul_scalar(8.0)) - 8.0 * count.sqrt()).abs() < 1e-3);
    // 1e-4 squared is below the least half.
    let small = read(Norm::L2, ones.clone().mul_scalar(1e-4));
    assert!((small / (1e-4 * count.sqrt()) - 1.0).abs() < 1e-2, "{small}");
    for norm in [Norm::L2, Norm::L1] {
        let unit = read(norm, norm.unit(ones.clone()));
        assert!((unit - 1.0).abs() < 1e-2, "{norm:?} {unit}");
    }
}

#[test]
fn equal_logits_of_half_precision_have_finite_losses() {
    let logits = Tensor::<2>::zeros([1, 5], &Device::flex()).cast(DType::F16);
    let [y, t] = [0, 1].map(|class| Tensor::<1, Int>::from_ints([class], &Device::flex()));
    let ratio = Loss::Dlr.per_example(logits.clone(), &y).into_scalar::<f64>();
    assert_eq!(ratio, 0.0);
    let ratio = PairLoss::Dlr.per_example(logits, &y, &t).into_scalar::<f64>();
    assert_eq!(ratio, 0.0);
}

/// The 1e-8 of Adam is zero in half precision, and a gradient of zero divided by it would be NaN.
#[test]
fn adam_in_half_precision_survives_gradients_of_zero() {
    let attack = CarliniWagner::new(Threat::l2(5.0).unwrap()).unwrap();
    let attack = attack.with_steps(60).unwrap().with_search_steps(2).unwrap();
    // At the faces of the box the inverse of tanh is infinite.
    let images = images().slice_fill([0..2, 1..2], 1.0).slice_fill([0..2, 2..3], 0.0);
    // Only the first pixel matters; the slopes of all others are zero.
    let model = |x: Tensor<4>| {
        let rows = x.dims()[0];
        let one = x.slice([0..rows, 0..1, 0..1, 0..1]).flatten::<2>(1, 3).sub_scalar(0.4);
        Tensor::cat(vec![one.clone(), -one], 1)
    };
    let bounded = CarliniWagnerLinf::new(Threat::linf(0.3).unwrap()).unwrap();
    let bounded = bounded.with_steps(60).unwrap().with_step_size(0.02).unwrap();
    for attack in [
        &attack.with_initial_constant(10.0).unwrap() as &dyn Attack,
        &bounded.with_constants(10.0, 20.0).unwrap(),
    ] {
        let found = attack.on(&model).with_key(Key::new(1)).run(images.clone(), goal()).unwrap();
        let reached = goal().reached(&model(found.images));
        assert!(reached.all().into_scalar::<bool>(), "{}", attack.name());
    }
}

#[test]
fn a_walk_in_half_precision_comes_nearer_and_stays_adversarial() {
    let model = |x: Tensor<4>| {
        let rows = x.dims()[0];
        let mean = x.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.45);
        Tensor::cat(vec![mean.clone(), -mean], 1).reshape([rows, 2])
    };
    let images = Tensor::<4>::full([2, 3, 4, 4], 0.5, &Device::flex()).cast(DType::F16);
    let starts = images.clone().slice(0..1).slice_fill([0..1, 0..3, 0..2], 0.0);
    let attack = BoundaryAttack::new(Threat::l2(5.0).unwrap()).unwrap();
    let attack = attack.with_starts(starts).unwrap().with_steps(400).unwrap();
    let attack = attack.with_interval(1).unwrap();
    let found = attack.on(&model).with_key(Key::new(1)).run(images.clone(), goal()).unwrap().images;
    assert_eq!(found.dtype(), DType::F16);
    assert!(goal().reached(&model(found.clone())).all().into_scalar::<bool>());
    // The nearest image is 0.35 away, the boundary on the way to the start 0.49.
    let farthest = Norm::L2.distance(&found, &images).max().into_scalar::<f64>();
    assert!(farthest > 0.34 && farthest < 0.45, "{farthest}");
}

/// An overshoot of the radius that is less than the step from one number in half precision to the
/// next would lead to the same image again and again.
#[test]
fn minimum_norms_in_half_precision_are_found() {
    let model = |x: Tensor<4>| {
        let mean = x.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.45);
        Tensor::cat(vec![mean.clone(), -mean], 1)
    };
    // The distance of an image from another that is off by 1 in each of its 48 pixels.
    let unit = |norm| match norm {
        Norm::Linf => 1.0,
        Norm::L2 => 48f64.sqrt(),
        Norm::L1 => 48.0,
    };
    let starts: Vec<f32> = (0..8).map(|row| 0.5 + 0.03 * row as f32).collect();
    let images = Tensor::<1>::from_floats(starts.as_slice(), &Device::flex());
    let images = images.reshape([8, 1, 1, 1]).expand([8, 3, 4, 4]).cast(DType::F16);
    let goal = Goal::Misclassify(Tensor::<1, Int>::zeros([8], &Device::flex()));
    let mut attacks: Vec<Box<dyn Attack>> = Vec::new();
    for threat in [Threat::whole_box(), Threat::l2(5.0).unwrap(), Threat::l1(40.0).unwrap()] {
        attacks.push(Box::new(Fmn::new(threat)));
    }
    let ead = Ead::l1(Threat::l1(40.0).unwrap()).unwrap();
    let ead = ead.with_steps(100).unwrap().with_initial_constant(10.0).unwrap();
    attacks.push(Box::new(ead));
    for attack in attacks {
        let found =
            attack.on(&model).with_key(Key::new(1)).perturb(images.clone(), &goal).unwrap().images;
        let name = format!("{} {:?}", attack.name(), attack.threat().norm());
        assert!(goal.reached(&model(found.clone())).all().into_scalar::<bool>(), "{name}");
        let norm = attack.threat().norm();
        let least = starts.iter().map(|start| (f64::from(*start) - 0.45) * unit(norm));
        let distances = norm.distance(&found, &images).try_to_vec_as::<f64>().unwrap();
        for (distance, least) in distances.into_iter().zip(least) {
            // The mean of a start and the model's own rounding are off by 5e-4 together.
            let near = (distance - least).abs() < 0.01 * least + 5e-4 * unit(norm);
            assert!(near, "{name}: {distance}, wanted {least}");
        }
    }
}
