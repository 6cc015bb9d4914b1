//! A linear model whose answers are known.

use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{Goal, Norm};
use cni_noise::{Key, layer_key, normal, normal_like};

/// Two classes, told apart by one plane near the middle of the box.
pub struct Plane {
    /// The weights of the second logit, `[1, channels, height, width]`; the first logit is zero.
    pub weight: Tensor<4>,
    /// The deviation of noise on the second logit that no image changes, drawn once for a batch.
    pub noise: f64,
}

impl Plane {
    pub fn new([channels, height, width]: [usize; 3], dtype: DType) -> Self {
        let weight = normal(Key::new(31), [1, channels, height, width], &Device::flex());
        Self { weight: weight.cast(dtype), noise: 0.0 }
    }

    pub fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let shifted = images.sub_scalar(0.5) * self.weight.clone();
        let mut second = shifted.sum_dims(&[1, 2, 3]).reshape([-1, 1]);
        if self.noise > 0.0
            && let Some(key) = layer_key("bias", &second.device())
        {
            let draw = normal_like(key, &second.clone().slice(0..1), 0);
            second = second + draw * self.noise;
        }
        Tensor::cat(vec![second.zeros_like(), second], 1)
    }

    pub fn classifier(&self) -> impl Fn(Tensor<4>) -> Tensor<2> + '_ {
        |images| self.logits(images)
    }

    /// Images near the middle of the box.
    pub fn images(&self, batch: usize) -> Tensor<4> {
        let [_, channels, height, width] = self.weight.dims();
        let draws = normal::<4>(Key::new(32), [batch, channels, height, width], &Device::flex());
        draws.cast(self.weight.dtype()).mul_scalar(0.05).add_scalar(0.5)
    }

    pub fn classes(&self, images: &Tensor<4>) -> Tensor<1, Int> {
        self.logits(images.clone()).argmax(1).squeeze_dim(1)
    }

    pub fn goal(&self, images: &Tensor<4>) -> Goal {
        Goal::Misclassify(self.classes(images))
    }

    /// How far each image is from the plane: its margin by the dual norm of the weights.
    pub fn distances(&self, images: &Tensor<4>, norm: Norm) -> Vec<f64> {
        let logits = self.logits(images.clone());
        let slope = self.dual(norm);
        logits
            .slice([0..images.dims()[0], 1..2])
            .abs()
            .try_to_vec_as::<f64>()
            .unwrap()
            .into_iter()
            .map(|margin| margin / slope)
            .collect()
    }

    pub fn dual(&self, norm: Norm) -> f64 {
        let w = self.weight.clone();
        match norm {
            Norm::Linf => w.abs().sum(),
            Norm::L2 => w.square().sum().sqrt(),
            Norm::L1 => w.abs().max(),
        }
        .into_scalar::<f64>()
    }
}
