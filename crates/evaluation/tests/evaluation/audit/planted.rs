//! Planted failures of an attack or a model: the checks for them find them.

use super::smooth::{CLASSES, EPSILON, Smooth, data, run, sound};
use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Int, Tensor};
use cni_attacks::{Classifier, Iterate, Pgd, Threat, straight_through};
use cni_evaluation::audit::{Audit, Effort};
use cni_evaluation::{Check, Figure, Verdict};
use cni_noise::{layer_key, normal_like};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn threat() -> Threat {
    Threat::linf(EPSILON).unwrap()
}

/// The verdicts of some checks.
fn verdicts(attack: Pgd, model: &dyn Classifier, names: &[&str]) -> Vec<Verdict> {
    checks(attack, model, names).iter().map(|check| check.verdict).collect()
}

fn checks(attack: Pgd, model: &dyn Classifier, names: &[&str]) -> Vec<Check> {
    let checks = run(&Audit::new(attack).with_checks(names).unwrap(), model).0;
    checks
        .iter()
        .for_each(|check| eprintln!("{} {} {}", check.verdict, check.name, check.measured));
    checks
}

#[test]
fn an_attack_of_few_small_steps_is_weak() {
    let weak = Pgd::new(threat()).with_steps(2).unwrap().with_step_size(EPSILON / 50.0).unwrap();
    let names = [
        "epsilon-sweep",
        "steps-sweep",
        "step-size-sweep",
        "one-step",
        "stronger-attack",
        "active-test",
    ];
    let found = verdicts(weak, &Smooth::new(0.0), &names);
    assert_eq!(&found[2..], [Verdict::Fail; 4]);
    assert!(found[0] != Verdict::Skipped, "{found:?}");
}

#[test]
fn one_draw_is_too_few_under_strong_noise() {
    let names = ["gradient-noise", "draw-sweep", "draw-transfer"];
    let audit = Audit::new(sound(1)).with_checks(&names).unwrap();
    let checks = run(&audit.with_effort(Effort::Standard), &Smooth::new(1.0)).0;
    assert!(
        checks.iter().all(|check| check.verdict != Verdict::Pass),
        "{:#?}",
        super::smooth::raised(&checks)
    );
}

#[test]
fn outputs_that_are_probabilities_are_none_of_logits() {
    let smooth = Smooth::new(0.0);
    let model = |x: Tensor<4>| softmax(smooth.logits(x), 1);
    assert_eq!(verdicts(sound(1), &model, &["logits"]), [Verdict::Fail]);
}

#[test]
fn randomness_that_no_key_governs_is_found() {
    let smooth = Smooth::new(0.0);
    let model = |x: Tensor<4>| {
        let logits = smooth.logits(x);
        let noise = logits.random_like(Distribution::Normal(0.0, 0.1));
        logits + noise
    };
    assert_eq!(verdicts(sound(4), &model, &["determinism"]), [Verdict::Fail]);
}

/// Noise on stored images in batches of more than eight, so that the test for noise, which takes
/// eight images and points beside them, does not see it.
#[test]
fn noise_that_the_test_for_it_missed_is_found() {
    let smooth = Smooth::new(0.0);
    let model = |x: Tensor<4>| {
        let (logits, large) = (smooth.logits(x.clone()), x.dims()[0] > 8);
        let Some(key) = layer_key("rare", &x.device()).filter(|_| large) else { return logits };
        let steps = x.mul_scalar(255.0);
        let off = (steps.clone() - steps.round()).abs().flatten::<2>(1, 3).max_dim(1);
        let noise = normal_like(key, &logits, 0);
        logits + noise * off.lower_elem(0.01).float()
    };
    let (images, labels) = data(64);
    let images = images.mul_scalar(255.0).round().div_scalar(255.0);
    let audit = Audit::new(sound(1)).with_checks(&["determinism"]).unwrap();
    let check = audit.run(&model, images, labels, 0, &mut |_| {}).unwrap().remove(0);
    assert_eq!(check.verdict, Verdict::Fail, "{check:#?}");
    let said = "different keys gave unequal logits: the model has noise";
    assert!(check.measured.contains(said) && !check.measured.contains("has no noise"));
}

/// Every other pass differs in the last digits, as sums in another order do.
#[test]
fn rounding_is_no_randomness_that_a_key_must_govern() {
    let (smooth, calls) = (Smooth::new(0.0), AtomicU64::new(0));
    let model = |x: Tensor<4>| {
        let odd = calls.fetch_add(1, Ordering::Relaxed) % 2;
        smooth.logits(x).mul_scalar(1.0 + 5e-7 * odd as f64)
    };
    assert_eq!(verdicts(sound(1), &model, &["determinism"]), [Verdict::Pass]);
}

/// A model that is never right, whatever its noise. Other attacks can win nothing, and nothing else
/// follows.
#[test]
fn where_no_image_is_right_only_checks_of_other_attacks_pass() {
    let smooth = Smooth::new(0.2);
    let model = |x: Tensor<4>| {
        let first = Tensor::<1, Int>::zeros([x.dims()[0]], &x.device().inner());
        smooth.logits(x).mul_scalar(1e-3) + first.one_hot::<2>(CLASSES).float()
    };
    let (images, labels) = data(256);
    let labels = labels.ones_like();
    let names = [
        "draw-sweep",
        "fixed-noise",
        "noise-off",
        "epsilon-sweep",
        "steps-sweep",
        "black-box",
        "draw-transfer",
        "eight-bit",
    ];
    let audit = Audit::new(sound(2)).with_checks(&names).unwrap();
    let checks = audit.run(&model, images, labels, 0, &mut |_| {}).unwrap();
    for check in &checks {
        let wins = ["draw-sweep", "steps-sweep", "black-box"].contains(&check.name.as_str());
        let wanted = if wins { Verdict::Pass } else { Verdict::Inconclusive };
        assert_eq!(check.verdict, wanted, "{check:#?}");
    }
}

/// The noise assigns all images to one class. This counts only against the model with noise.
#[test]
fn images_that_noise_makes_wrong_count_as_they_are_without_it() {
    let smooth = Smooth::new(0.2);
    let model = |x: Tensor<4>| {
        let device = x.device().inner();
        let first = Tensor::<1, Int>::zeros([x.dims()[0]], &device).one_hot::<2>(CLASSES).float();
        match layer_key("spoils", &device) {
            Some(_) => smooth.logits(x) - first.mul_scalar(100.0),
            None => smooth.logits(x),
        }
    };
    let check = checks(sound(2), &model, &["noise-off"]).remove(0);
    assert_eq!(check.values["clean_without"], 1.0, "{check:#?}");
    assert!(check.values["clean_with"] < 0.95, "{check:#?}");
}

/// Pixels are rounded to eighths; the gradient is zero, or that of the identity.
#[test]
fn gradients_that_a_staircase_hides_are_missed() {
    let smooth = Smooth::new(0.0);
    let stairs = |x: Tensor<4>| x.mul_scalar(8.0).round().div_scalar(8.0);
    let masked = |x: Tensor<4>| smooth.logits(stairs(x));
    let names = [
        "gradient-health",
        "finite-difference",
        "random-noise",
        "black-box",
        "loss-surface",
        "active-test",
    ];
    let found = checks(sound(1), &masked, &names);
    assert_eq!(found[0].verdict, Verdict::Fail);
    assert!(found[4..].iter().all(|check| check.verdict != Verdict::Pass));
    let bypassed = |x: Tensor<4>| smooth.logits(straight_through(x, stairs));
    let found = verdicts(sound(1), &bypassed, &["gradient-health", "finite-difference"]);
    assert_eq!(found, [Verdict::Pass, Verdict::Fail]);
}

#[test]
fn logits_far_apart_have_no_gradient_left() {
    let smooth = Smooth::new(0.0);
    let model = |x: Tensor<4>| smooth.logits(x).mul_scalar(1e4);
    let names = ["gradient-health", "loss-choice", "stronger-attack"];
    let found = verdicts(sound(1), &model, &names);
    assert_eq!(found, [Verdict::Fail; 3]);
}

#[test]
fn gradients_that_are_no_numbers_fail_and_the_others_go_on() {
    let smooth = Smooth::new(0.0);
    // The square root of zero is zero, and its slope is infinite.
    let model = |x: Tensor<4>| {
        let logits = smooth.logits(x.clone());
        let zero = (x.clone() - x).flatten::<2>(1, 3).sum_dim(1);
        logits + zero.sqrt()
    };
    let found = verdicts(sound(1), &model, &["logits", "gradient-health", "steps-sweep"]);
    assert_eq!(found, [Verdict::Pass, Verdict::Fail, Verdict::Fail]);
    let detached = |x: Tensor<4>| smooth.logits(x.inner());
    let found = verdicts(sound(1), &detached, &["logits", "gradient-health", "one-step"]);
    assert_eq!(found, [Verdict::Pass, Verdict::Fail, Verdict::Fail]);
}

/// A model whose gradient has the wrong sign is broken by the examples of one with the right sign.
#[test]
fn a_surrogate_beats_gradients_of_the_wrong_sign() {
    let smooth = Smooth::new(0.0);
    let mirrored = |x: Tensor<4>| {
        let plain = x.clone().inner();
        // The value is that of the image, and the slope is its negative.
        smooth.logits(plain.mul_scalar(2.0) - x)
    };
    let names = ["finite-difference", "epsilon-sweep", "transfer", "loss-surface"];
    let surrogate = Arc::new(Smooth::new(0.0));
    let audit = Audit::new(sound(1).with_iterate(Iterate::Last)).with_checks(&names).unwrap();
    let checks = run(&audit.with_surrogate("twin", surrogate), &mirrored).0;
    let raised = |check: &&Check| matches!(check.verdict, Verdict::Warn | Verdict::Fail);
    assert_eq!(checks.iter().filter(raised).count(), names.len(), "{checks:#?}");
}

/// A gradient of the wrong sign drives misclassified images to their labels.
#[test]
fn labels_that_leak_into_images_are_found() {
    let smooth = Smooth::new(0.0);
    let mirrored = |x: Tensor<4>| smooth.logits(x.clone().inner().mul_scalar(2.0) - x);
    let (images, labels) = data(256);
    // Every label is that of the next class.
    let labels = (labels + 1).remainder_scalar(CLASSES as i64);
    let audit = Audit::new(sound(1)).with_checks(&["label-leakage"]).unwrap();
    let audit = audit.with_effort(Effort::Standard);
    let checks = audit.run(&mirrored, images, labels, 0, &mut |_| {}).unwrap();
    assert_eq!(checks[0].verdict, Verdict::Fail, "{checks:#?}");
}

#[test]
fn figures_hold_the_audited_point_with_its_interval() {
    let sound = sound(1);
    let names = ["epsilon-sweep", "loss-surface"];
    let checks = run(&Audit::new(sound).with_checks(&names).unwrap(), &Smooth::new(0.0)).0;
    let Some(Figure::Curves { curves, .. }) = &checks[0].figure else { panic!("no curve") };
    let at = curves[0].points.iter().find(|point| point.x == EPSILON).unwrap();
    assert!(at.low.unwrap() <= at.y && at.y <= at.high.unwrap());
    assert_eq!(curves[0].points[0].y, 1.0, "{} examples have their own label", data(1).0.dims()[0]);
    let Some(Figure::Surface { xs, ys, values, .. }) = &checks[1].figure else {
        panic!("no surface")
    };
    assert_eq!((values.len(), values[0].len(), xs[0], ys[8]), (ys.len(), xs.len(), -2.0, 2.0));
}
