//! Rotation: what it turns, what it adds to the loss, and what it refuses.

use super::{first_batch, largest, rotation, turns};
use crate::support::linear_net::Net;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use cni_data::Batch;
use cni_training::{Objective, Rotation, Step};

/// Every second image is turned, all by the same angle, and a head that always answers "not turned"
/// with certainty is right on the others.
#[test]
fn rotation_turns_every_second_image_and_refuses_what_it_cannot_use() {
    let (batch, net) = (first_batch(), Net::new().train());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let keep = seen.clone();
    let head = move |net: &Net, images: Tensor<4>| {
        *keep.lock().unwrap() = Some(images.clone().inner());
        turns(net, images).mul_scalar(0.0)
    };
    let rule: Objective = Rotation::new(Objective::clean(), head).with_weight(2.0).unwrap().into();
    let step = Step::new(&net, Net::forward, batch.clone());
    let losses = rule.losses(&step).unwrap();
    let clean = Objective::clean().losses(&step).unwrap();
    let added = losses.loss().clone().inner() - clean.loss().clone().inner();
    assert!(largest(added - 2.0 * 4f64.ln()) < 1e-5);
    // Of equal logits the first counts as the largest.
    let hits: Vec<f32> = losses.score("rotation").unwrap().try_to_vec_as().unwrap();
    let images = seen.lock().unwrap().clone().unwrap();
    for (row, hit) in hits.into_iter().enumerate() {
        let of = |images: &Tensor<4>| images.clone().narrow(0, row, 1);
        let same = largest(of(&images) - of(&batch.images.clone().inner())) == 0.0;
        assert_eq!((same, hit), (row % 2 == 0, f32::from(u8::from(row % 2 == 0))), "{row}");
    }
    let refused = |rule: Objective, batch: Batch| {
        rule.losses(&Step::new(&net, Net::forward, batch)).err().unwrap().to_string()
    };
    let three = |net: &Net, images: Tensor<4>| net.forward(images).narrow(1, 0, 3);
    let error = refused(Rotation::new(Objective::clean(), three).into(), batch.clone());
    assert!(error.starts_with("objective rotation: head: got shape [64, 3] for 64"), "{error}");
    let other = |_: &Linear, images: Tensor<4>| images.flatten::<2>(1, 3);
    let error = refused(Rotation::new(Objective::clean(), other).into(), batch.clone());
    assert!(error.starts_with("objective rotation: model: got one of another type"), "{error}");
    let flat = Batch { images: batch.images.clone().reshape([64, 1, 4, 16]), ..batch };
    let error = refused(rotation(), flat);
    assert!(error.starts_with("objective rotation: images: got 4 by 16, wanted sq"), "{error}");
    let error = Rotation::<Net>::new(Objective::clean(), turns).with_weight(0.0).err().unwrap();
    assert_eq!(error.to_string(), "weight: got 0, wanted a finite number above 0");
}
