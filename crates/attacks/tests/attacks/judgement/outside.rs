//! The results of custom attacks are checked, in the one place where every attack returns.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Access, Attack, AttackBatch, AttackError, Goal, ModelAccess, Suite, Threat};
use cni_noise::Key;

type Change = fn(Tensor<4>) -> Tensor<4>;

/// An attack that applies the given function to the images.
struct Own(Change, Threat);

impl Attack for Own {
    fn name(&self) -> String {
        "Own".to_string()
    }
    fn threat(&self) -> Threat {
        self.1
    }
    fn access(&self) -> Access {
        Access::None
    }
    fn spec(&self) -> serde_json::Value {
        "own".into()
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
        Ok((self.0)(batch.images.clone()))
    }
}

fn attacked(change: Change, threat: Threat) -> String {
    let images = Tensor::<4>::full([3, 1, 2, 2], 0.95, &Device::flex());
    let goal = Goal::Misclassify(Tensor::<1, Int>::zeros([3], &Device::flex()));
    let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
    let own = Own(change, threat);
    let found = own.on(&model).with_key(Key::new(1)).with_examples(7).run(images.clone(), &goal);
    let alone = found.err().map_or("accepted".to_string(), |error| error.to_string());
    let suite = Suite::custom("suite", vec![Box::new(Own(change, threat))]).unwrap();
    let within = suite.on(&model).with_key(Key::new(1)).with_examples(7).run(images, &goal);
    let within = within.err().map_or("accepted".to_string(), |error| error.to_string());
    assert_eq!(alone == "accepted", within == "accepted", "{alone}; {within}");
    alone
}

#[test]
fn an_attack_that_leaves_its_ball_is_an_error_with_example_distance_and_radius() {
    let second = |x: Tensor<4>| x.slice_fill([1..2, 0..1, 0..1, 0..2], 0.75);
    let linf = Threat::linf(0.1).unwrap();
    let message = attacked(second, linf);
    let wanted =
        "Own: got 1 images outside its threat, the first of them example 8 at the Linf distance 0.";
    assert!(message.starts_with(wanted), "{message}");
    assert!(message.ends_with("wanted at most epsilon = 0.1"), "{message}");
    for (threat, wanted) in [
        (Threat::l2(0.25).unwrap(), "Own: got 1 images outside"),
        (Threat::l2(0.29).unwrap(), "accepted"),
        (Threat::l1(0.39).unwrap(), "Own: got 1 images outside"),
        (Threat::l1(0.41).unwrap(), "accepted"),
    ] {
        let message = attacked(second, threat);
        assert!(message.starts_with(wanted), "{threat}: {message}");
    }
}

#[test]
fn an_attack_that_leaves_the_box_is_an_error() {
    let message = attacked(|x| x.add_scalar(0.1), Threat::linf(0.2).unwrap());
    assert!(message.starts_with("Own: got the pixel 1.04999"), "{message}");
    assert!(message.ends_with("in example 7, wanted pixels in [0, 1]"), "{message}");
}

#[test]
fn images_that_are_not_finite_or_of_another_shape_are_an_error() {
    let linf = Threat::linf(0.2).unwrap();
    let message = attacked(|x| x.slice_fill(2..3, f64::NAN), linf);
    let wanted = "Own: got NaN or infinite pixels in 1 images, the first of them example 9, \
                  wanted finite pixels";
    assert_eq!(message, wanted);
    let message = attacked(|x| x.slice(0..2), linf);
    assert_eq!(message, "Own: got images of shape [2, 1, 2, 2], wanted [3, 1, 2, 2]");
}

#[test]
fn rounding_leaves_neither_ball_nor_box() {
    for epsilon in [1e-4, 8.0 / 255.0, 0.04] {
        let linf = Threat::linf(epsilon).unwrap();
        // Away and back again, by float steps that do not cancel.
        assert_eq!(attacked(|x| x.add_scalar(3e-8), linf), "accepted");
        assert_eq!(attacked(|x| x.mul_scalar(3.0).div_scalar(3.0), linf), "accepted");
    }
}
