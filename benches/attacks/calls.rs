//! The model's part of an attack's time.

use burn::tensor::{Int, Tensor};
use cni_burn::attacks::Classifier;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

/// The seconds of forward passes, by the number of images and by whether a backward pass followed.
#[derive(Default)]
pub struct Calls(RefCell<BTreeMap<(usize, bool), f64>>);

impl Calls {
    /// The logits of the model, timed.
    pub fn logits(&self, model: &dyn Classifier, images: Tensor<4>) -> Tensor<2> {
        let call = (images.dims()[0], images.is_require_grad());
        let started = Instant::now();
        let logits = model.logits(images);
        *self.0.borrow_mut().entry(call).or_default() += started.elapsed().as_secs_f64();
        logits
    }

    /// The seconds of all calls of the model. Forward passes are timed directly. A backward pass
    /// happens within the attack. Its time is estimated from that of its forward pass, by the ratio
    /// of the two when the model runs alone.
    pub fn seconds(self, model: &dyn Classifier, images: &Tensor<4>) -> f64 {
        let with_backward = |size: usize| {
            let rows: Vec<i32> =
                (0..size as i32).map(|row| row % images.dims()[0] as i32).collect();
            let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &images.device());
            let leaf = images.clone().select(0, rows).autodiff().require_grad();
            let started = Instant::now();
            let logits = model.logits(leaf.clone());
            let forward = started.elapsed().as_secs_f64();
            let mut gradients = logits.sum().backward();
            std::hint::black_box(leaf.grad_remove(&mut gradients));
            started.elapsed().as_secs_f64() / forward
        };
        let of_size = |((size, gradient), seconds): ((usize, bool), f64)| {
            if !gradient {
                return seconds;
            }
            let mut multiples = [0; 5].map(|_| with_backward(size));
            multiples.sort_by(f64::total_cmp);
            multiples[2] * seconds
        };
        self.0.into_inner().into_iter().map(of_size).sum()
    }
}
