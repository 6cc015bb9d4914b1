//! A model whose accuracies are known in closed form, and its data.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Attack, Classifier, Pgd, RandomNoise, Threat};
use cni_noise::{Key, layer_key, normal_at, uniform};

pub const EPSILON: f64 = 0.1;

/// Two classes by the sign of the mean pixel minus one half, with noise of standard deviation
/// `sigma` on the threshold.
pub struct Threshold {
    pub sigma: f64,
}

impl Classifier for Threshold {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let mut margin = images.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.5);
        if let Some(key) = layer_key("threshold", &margin.device()) {
            margin = margin.clone() + normal_at(key, 0, [1, 1], &margin).mul_scalar(self.sigma);
        }
        Tensor::cat(vec![margin.clone().neg(), margin], 1).mul_scalar(10.0)
    }
}

pub fn images(n: usize) -> Tensor<4> {
    let brightness = uniform::<4>(Key::new(1), [n, 1, 1, 1], &Device::flex());
    (brightness.mul_scalar(0.6).add_scalar(0.2)).expand([n, 1, 2, 2])
}

pub fn labels(images: &Tensor<4>) -> Tensor<1, Int> {
    let [n, ..] = images.dims();
    images.clone().slice([0..n, 0..1, 0..1, 0..1]).reshape([n]).greater_elem(0.5).int()
}

pub fn batches(n: usize, size: usize) -> Vec<(Tensor<4>, Tensor<1, Int>)> {
    let (x, y) = (images(n), labels(&images(n)));
    let cut = |first: usize| {
        let rows = first..(first + size).min(n);
        (x.clone().slice([rows.clone()]), y.clone().slice([rows]))
    };
    (0..n).step_by(size).map(cut).collect()
}

pub fn suite(draws: usize) -> Vec<Box<dyn Attack>> {
    let threat = Threat::linf(EPSILON).unwrap();
    vec![
        Box::new(RandomNoise::new(threat)),
        Box::new(Pgd::fgsm(threat)),
        Box::new(Pgd::new(threat).with_draws(draws).unwrap()),
    ]
}
