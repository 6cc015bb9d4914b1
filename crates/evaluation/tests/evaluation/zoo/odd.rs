//! Models on which attacks fail for special reasons.

use super::noisy::between;
use super::plant::{Plant, assert_all_caught, pgd, threat};
use super::world::{CLASSES, Model, contrasts, linear};
use burn::tensor::activation::{relu, sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::Pgd;
use cni_noise::{Key, current_examples, sign};

/// A model that gives probabilities.
pub fn probabilities() -> Model {
    Box::new(|images| softmax(linear()(images), 1))
}

/// A model that knows the label of every example by heart, and hardly looks at the image.
pub fn remembering() -> Model {
    Box::new(|images| {
        let [n, ..] = images.dims();
        let labels: Vec<i64> =
            (0..n).map(|row| (current_examples().id(row) % CLASSES as u64) as i64).collect();
        let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &Device::flex());
        linear()(images) + labels.one_hot::<2>(CLASSES).float().mul_scalar(200.0)
    })
}

/// A model that takes a strong negative of a pattern for the pattern. The adversarial images lie in
/// a narrow valley between the two.
pub fn folded() -> Model {
    Box::new(|images| contrasts(images).add_scalar(0.1).abs().mul_scalar(2.0))
}

/// A model with a door to each class, the difference of two pixels. Pushed to one side it lowers
/// the class's logit strongly, to the other side hardly at all, and from there the way back leads
/// uphill.
pub fn doors() -> Model {
    Box::new(|images| {
        let [n, ..] = images.dims();
        let doors = between(images.clone()).slice([0..n, 0..CLASSES]);
        let squares = doors.clone() * doors.clone();
        let worth = squares * sigmoid(doors.mul_scalar(20.0)).add_scalar(0.02);
        linear()(images) - worth.mul_scalar(2.2)
    })
}

/// A model with a fifth class for images without a clear pattern. It recognizes an attacked image
/// by the mark of its own gradient: fine signs on the differences within blocks. They lower the
/// class's logit a little and, at full strength, raise it much.
pub fn leaking() -> Model {
    let marks = sign::<2>(Key::new(41), [32, CLASSES], &Device::flex());
    Box::new(move |images| {
        let mark = between(images.clone()).matmul(marks.clone()).div_scalar(32.0);
        let bonus = relu(mark.clone().neg().sub_scalar(0.5)).mul_scalar(50.0);
        let logits = linear()(images) + mark.mul_scalar(4.0) + bonus;
        let none = logits.clone().slice([0..logits.dims()[0], 0..1]).zeros_like().add_scalar(1.0);
        Tensor::cat(vec![logits, none], 1)
    })
}

pub fn plants() -> Vec<Plant> {
    vec![
        Plant { fails: &["logits"], ..Plant::new("probabilities", probabilities(), pgd()) },
        Plant {
            fails: &["epsilon-sweep"],
            ..Plant::new("labels known by heart", remembering(), pgd())
        },
        Plant {
            fails: &["label-leakage"],
            ..Plant::new("labels told by the attack", leaking(), Pgd::new(threat()))
        },
    ]
}

#[test]
fn odd_models_are_caught() {
    assert_all_caught(plants());
}
