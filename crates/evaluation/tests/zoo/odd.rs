//! Models on which an attack fails for reasons of its own.

use crate::noisy::between;
use crate::plant::{Plant, assert_all_caught, pgd, threat};
use crate::world::{CLASSES, Model, contrasts, linear};
use burn::tensor::activation::{relu, sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::Pgd;
use cni_noise::{Key, current_examples, sign};

/// Gives probabilities.
pub fn probabilities() -> Model {
    Box::new(|images| softmax(linear()(images), 1))
}

/// Knows the label of every example by heart, and looks at the image but a little.
pub fn remembering() -> Model {
    Box::new(|images| {
        let [n, ..] = images.dims();
        let labels: Vec<i64> =
            (0..n).map(|row| (current_examples().id(row) % CLASSES as u64) as i64).collect();
        let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &Device::flex());
        linear()(images) + labels.one_hot::<2>(CLASSES).float().mul_scalar(200.0)
    })
}

/// Takes a strong negative of a pattern for the pattern: what an attack must find lies in a narrow
/// valley between.
pub fn folded() -> Model {
    Box::new(|images| contrasts(images).add_scalar(0.1).abs().mul_scalar(2.0))
}

/// A door to each class, the difference of two pixels: pushed to the one side it takes much of the
/// class's logit, to the other nothing to speak of, and the way from there is uphill.
pub fn doors() -> Model {
    Box::new(|images| {
        let [n, ..] = images.dims();
        let doors = between(images.clone()).slice([0..n, 0..CLASSES]);
        let squares = doors.clone() * doors.clone();
        let worth = squares * sigmoid(doors.mul_scalar(20.0)).add_scalar(0.02);
        linear()(images) - worth.mul_scalar(2.2)
    })
}

/// Has a fifth class for images of no clear pattern, and knows an attacked image by the mark of its
/// own gradient: fine signs on the differences within blocks, which lower the class's logit a
/// little and, in full strength, raise it much.
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
