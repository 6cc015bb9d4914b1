//! Images and models in half precision.

use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{Attack, CarliniWagner, Goal, Loss, Norm, PairLoss, Pgd, Threat};
use cni_noise::Key;

/// A linear model of images of 64² pixels in three channels, whose slopes add up to 196,608 where
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
        let found = attack.perturb(&steep, images(), &goal(), Key::new(1), 0).unwrap();
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

/// Adam's 1e-8 is zero in half, and a gradient of zero divided by it no number.
#[test]
fn adam_in_half_precision_survives_gradients_of_zero() {
    let attack = CarliniWagner::new(Threat::l2(5.0).unwrap()).unwrap();
    let attack = attack.with_steps(60).unwrap().with_search_steps(2).unwrap();
    // The faces of the box are where the inverse of tanh ends.
    let images = images().slice_fill([0..2, 1..2], 1.0).slice_fill([0..2, 2..3], 0.0);
    // Only the first pixel matters; the slopes of all others are zero.
    let model = |x: Tensor<4>| {
        let rows = x.dims()[0];
        let one = x.slice([0..rows, 0..1, 0..1, 0..1]).flatten::<2>(1, 3).sub_scalar(0.4);
        Tensor::cat(vec![one.clone(), -one], 1)
    };
    let found = attack.with_initial_constant(10.0).unwrap();
    let found = found.perturb(&model, images, &goal(), Key::new(1), 0).unwrap();
    assert!(goal().reached(&model(found.images)).all().into_scalar::<bool>());
}
