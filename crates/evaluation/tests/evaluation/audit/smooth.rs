//! A smooth model, its data and a sound attack.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Classifier, Iterate, Passes, Pgd, Threat};
use cni_evaluation::audit::Audit;
use cni_evaluation::{Check, Verdict};
use cni_noise::{Key, layer_key, normal, normal_like, uniform};

pub const EPSILON: f64 = 0.1;
pub const CLASSES: usize = 4;

/// A smooth network on images `[1, 4, 4]`: two layers, a softplus between them, and noise on the
/// weights of the first.
pub struct Smooth {
    pub first: Tensor<2>,
    pub second: Tensor<2>,
    pub noise: f64,
}

impl Smooth {
    pub fn new(noise: f64) -> Self {
        let device = Device::flex();
        let first = normal::<2>(Key::new(21), [16, 24], &device).mul_scalar(0.7);
        let second = normal::<2>(Key::new(22), [24, CLASSES], &device).mul_scalar(0.7);
        Self { first, second, noise }
    }
}

impl Classifier for Smooth {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let mut weight = self.first.clone();
        if self.noise > 0.0
            && let Some(key) = layer_key("first", &images.device())
        {
            weight = weight.clone() + normal_like(key, &weight, 0).mul_scalar(self.noise);
        }
        let hidden = images.sub_scalar(0.5).flatten::<2>(1, 3).matmul(weight);
        burn::tensor::activation::softplus(hidden, 1.0).matmul(self.second.clone())
    }
}

/// Images with the classes that the model without noise gives them. Some of them are robust and
/// some are not.
pub fn data(count: usize) -> (Tensor<4>, Tensor<1, Int>) {
    let images = uniform::<4>(Key::new(23), [count, 1, 4, 4], &Device::flex());
    let labels = Smooth::new(0.0).logits(images.clone()).argmax(1).squeeze_dim(1);
    (images, labels)
}

pub fn sound(draws: usize) -> Pgd {
    let attack = Pgd::new(Threat::linf(EPSILON).unwrap()).with_steps(20).unwrap();
    attack.with_draws(draws).unwrap().with_iterate(Iterate::Best)
}

pub fn run(audit: &Audit, model: &dyn Classifier) -> (Vec<Check>, Passes) {
    let ((images, labels), mut passes) = (data(64), Passes::default());
    let mut progress = |at: &cni_evaluation::audit::AuditProgress| passes = at.passes;
    let checks = audit.run(model, images, labels, 0, &mut progress).unwrap();
    (checks, passes)
}

pub fn raised(checks: &[Check]) -> Vec<String> {
    let raised = |check: &&Check| matches!(check.verdict, Verdict::Warn | Verdict::Fail);
    let text = |check: &Check| format!("{} {}: {}", check.verdict, check.name, check.measured);
    checks.iter().filter(raised).map(text).collect()
}
