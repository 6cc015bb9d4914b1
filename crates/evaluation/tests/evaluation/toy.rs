//! A linear model with noise on its weights, and its data.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Apgd, Attack, Classifier, Fab, Square, Threat};
use cni_evaluation::{Evaluated, Record};
use cni_noise::{Key, layer_key, normal, normal_like, uniform};

/// Values in an image, `[3, 2, 2]`.
const VALUES: usize = 12;

pub const EXAMPLES: usize = 24;

/// A linear model without bias on pixels centred at the middle of the box.
#[derive(Clone)]
pub struct Toy {
    /// `[classes, VALUES]`
    pub weight: Tensor<2>,
    /// The standard deviation of the noise on every weight, drawn once for the batch.
    pub noise: f64,
}

impl Toy {
    pub fn new(classes: usize) -> Self {
        Self { weight: normal::<2>(Key::new(11), [classes, VALUES], &Device::flex()), noise: 0.0 }
    }

    pub fn predictions(&self, images: &Tensor<4>) -> Tensor<1, Int> {
        self.logits(images.clone()).argmax(1).squeeze_dim(1)
    }
}

impl Classifier for Toy {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let mut weight = self.weight.clone();
        if self.noise > 0.0
            && let Some(key) = layer_key("weight", &images.device())
        {
            weight = weight.clone() + normal_like(key, &weight, 0) * self.noise;
        }
        images.sub_scalar(0.5).flatten::<2>(1, 3).matmul(weight.transpose())
    }
}

/// Images of uniform pixels, except that two images are at corners of the box and one has all
/// pixels at its faces.
pub fn images() -> Tensor<4> {
    let pixels = uniform::<4>(Key::new(12), [EXAMPLES, 3, 2, 2], &Device::flex());
    let faces = pixels.clone().slice(2..3).greater_elem(0.5).float();
    let zeros = pixels.clone().slice(0..1).zeros_like();
    let ones = zeros.clone().add_scalar(1.0);
    Tensor::cat(vec![zeros, ones, faces, pixels.slice(3..EXAMPLES)], 0)
}

/// The images with these labels, in batches.
pub fn batches(labels: &Tensor<1, Int>, size: usize) -> Vec<(Tensor<4>, Tensor<1, Int>)> {
    let all = images();
    let cut = |first: usize| {
        let rows = first..EXAMPLES.min(first + size);
        (all.clone().slice(rows.clone()), labels.clone().slice(rows))
    };
    (0..EXAMPLES).step_by(size).map(cut).collect()
}

pub fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

/// The attacks of AutoAttack's `standard`, with fewer iterations.
pub fn standard() -> Vec<Box<dyn Attack>> {
    vec![
        Box::new(Apgd::cross_entropy(threat()).with_steps(20).unwrap()),
        Box::new(Apgd::targeted(threat()).with_steps(20).unwrap()),
        Box::new(Fab::targeted(threat()).with_steps(20).unwrap()),
        Box::new(Square::new(threat()).with_queries(200).unwrap()),
    ]
}

/// The result without what differs from run to run.
pub fn timeless(mut evaluated: Evaluated) -> Evaluated {
    evaluated.record.seconds = 0.0;
    evaluated.record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
    evaluated
}

/// The accuracy of the worst case.
pub fn robust(record: &Record) -> f64 {
    record.worst_case.as_ref().unwrap().one_shot.accuracy
}
