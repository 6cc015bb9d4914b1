//! Candidates are compared by success before the loss that the attack raises.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{
    Access, Attack, AttackBatch, AttackError, Goal, Iterate, ModelAccess, Pgd, Suite, Threat,
};
use cni_noise::{Key, layer_key, normal};

const BATCH: usize = 32;

fn grey() -> Tensor<4> {
    Tensor::full([BATCH, 1, 1, 1], 0.5, &Device::flex())
}

fn label_zero() -> Goal {
    Goal::Misclassify(Tensor::<1, Int>::zeros([BATCH], &Device::flex()))
}

/// Dark pixels are class 1 by a little, with a cross-entropy of 0.65 from class 0; light ones are
/// class 0, with a cross-entropy of 1.03: the higher loss is the one that does not fool.
fn sly(x: Tensor<4>) -> Tensor<2> {
    let light = sigmoid(x.flatten::<2>(1, 3).sub_scalar(0.5).mul_scalar(1e4));
    let dark = light.clone().neg().add_scalar(1.0);
    let zero = light.zeros_like();
    let one = dark.clone().mul_scalar(0.1) - light.clone().mul_scalar(0.1);
    let two = dark.mul_scalar(-10.0) - light.mul_scalar(0.1);
    Tensor::cat(vec![zero, one, two], 1)
}

fn fooled(attack: &Pgd) -> Vec<bool> {
    let found = attack.on(&sly).with_key(Key::new(1)).run(grey(), label_zero()).unwrap();
    label_zero().reached(&sly(found.images)).try_to_vec_as().unwrap()
}

#[test]
fn another_restart_never_saves_an_example() {
    let pgd = Pgd::new(Threat::linf(0.1).unwrap()).with_steps(1).unwrap();
    let pgd = pgd.with_step_size(1e-9).unwrap();
    let mut before = fooled(&pgd);
    let count = |fooled: &[bool]| fooled.iter().filter(|fooled| **fooled).count();
    assert!(count(&before) > 0 && count(&before) < BATCH);
    for restarts in 2..6 {
        let now = fooled(&pgd.clone().with_restarts(restarts).unwrap());
        let kept = before.iter().zip(&now).all(|(before, now)| !before || *now);
        assert!(kept, "{restarts} restarts: {before:?} {now:?}");
        assert!(count(&now) >= count(&before));
        before = now;
    }
    // Five starts, each dark with probability one half: all are light for one example in 32.
    assert!(count(&before) > BATCH / 2);
}

/// Steps increase the loss, but lead away from the dark start, at which the model was misled.
#[test]
fn the_best_iterate_is_adversarial_where_any_was() {
    let pgd = Pgd::new(Threat::linf(0.1).unwrap()).with_steps(8).unwrap();
    let pgd = pgd.with_step_size(0.03).unwrap();
    let starts = fooled(&pgd.clone().with_steps(1).unwrap().with_step_size(1e-9).unwrap());
    let best = fooled(&pgd.with_iterate(Iterate::Best));
    assert!(starts.contains(&true));
    assert!(starts.iter().zip(&best).all(|(start, best)| !start || *best), "{starts:?} {best:?}");
}

/// An attack that sets all pixels to a value.
struct Paint(f64);

impl Attack for Paint {
    fn name(&self) -> String {
        format!("Paint-{}", self.0)
    }
    fn threat(&self) -> Threat {
        Threat::linf(0.5).unwrap()
    }
    fn access(&self) -> Access {
        Access::None
    }
    fn spec(&self) -> serde_json::Value {
        self.0.into()
    }
    fn gradient_draws(&self) -> Option<usize> {
        None
    }
    fn run(
        &self,
        _: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        _: Key,
    ) -> Result<Tensor<4>, AttackError> {
        Ok(batch.images.clone().mul_scalar(0.0).add_scalar(self.0))
    }
}

/// Dark pixels are misclassified in 19 of 20 draws, with a small margin; light ones in half of the
/// draws, with a large one.
fn noisy(x: Tensor<4>) -> Tensor<2> {
    let device = x.device();
    let x = x.flatten::<2>(1, 3);
    let draw = match layer_key("noise", &device) {
        Some(key) => normal::<1>(key, [1], &device).into_scalar::<f64>(),
        None => 0.0,
    };
    let dark = if draw > -1.64 { 0.01 } else { -0.01 };
    let light = if draw > 0.0 { 100.0 } else { -1.0 };
    let is_dark = x.clone().lower_elem(0.4).float();
    let is_light = x.greater_elem(0.6).float();
    let rest = is_dark.clone() + is_light.clone();
    let margin = is_dark.mul_scalar(dark) + is_light.mul_scalar(light)
        - rest.neg().add_scalar(1.0).mul_scalar(1.0);
    Tensor::cat(vec![margin.zeros_like(), margin], 1)
}

#[test]
fn the_worst_of_a_suite_is_wrong_most_often_and_not_by_the_most() {
    let suite = |first: f64, second: f64| {
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Paint(first)), Box::new(Paint(second))];
        Suite::custom("paint", attacks).unwrap()
    };
    for suite in [suite(0.2, 0.8), suite(0.8, 0.2)] {
        let found = suite.on(&noisy).with_key(Key::new(3)).run(grey(), label_zero()).unwrap();
        let pixel = found.images.max().into_scalar::<f64>();
        assert!((pixel - 0.2).abs() < 1e-6, "{pixel}");
    }
}
