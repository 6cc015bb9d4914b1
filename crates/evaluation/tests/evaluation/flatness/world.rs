//! Models and losses whose flatness is known.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::weights::LayerValues;
use cni_attacks::{Pgd, Threat};
use cni_evaluation::EvaluationError;
use cni_evaluation::flatness::WeightLoss;
use cni_noise::{Key, layer_key, normal, normal_at, uniform};

/// A model of two layers, `[2, 3]` and `[4]`, and one of norm zero.
#[derive(Module, Debug)]
pub struct Pair {
    pub a: Param<Tensor<2>>,
    pub b: Param<Tensor<1>>,
    pub zero: Param<Tensor<1>>,
}

impl Pair {
    pub fn new() -> Self {
        let device = Device::flex();
        Self {
            a: Param::from_tensor(normal(Key::new(11), [2, 3], &device)),
            b: Param::from_tensor(normal(Key::new(12), [4], &device)),
            zero: Param::from_tensor(Tensor::zeros([5], &device)),
        }
    }

    /// All weights but those of norm zero in a row, `[10]`.
    pub fn row(&self) -> Tensor<1> {
        Tensor::cat(vec![self.a.val().reshape([6]), self.b.val()], 0)
    }
}

/// A loss that is a function of the weights alone.
pub struct OfWeights<F>(pub F);

impl<M: Module, F: Fn(&M) -> Tensor<1>> WeightLoss<M> for OfWeights<F> {
    fn loss(&self, model: &M, _: Key, _: usize) -> Result<f64, EvaluationError> {
        Ok((self.0)(model).into_scalar())
    }

    fn ascend(
        &self,
        model: &M,
        weights: &LayerValues,
        _: usize,
        _: &mut Vec<Tensor<4>>,
        _: Key,
    ) -> Result<(f64, LayerValues), EvaluationError> {
        let loss = (self.0)(model);
        let gradients = loss.backward();
        let slope = weights.of_gradients(model, &gradients);
        Ok((loss.inner().into_scalar(), slope))
    }
}

/// Two linear layers with a rectifier, and a batch norm between them if asked for.
#[derive(Module, Debug)]
pub struct Net {
    pub hidden: Linear,
    pub norm: Option<BatchNorm>,
    pub out: Linear,
}

impl Net {
    pub fn new(norm: bool) -> Self {
        let device = Device::flex();
        let linear = |name: &str, i, o| {
            let mut layer = LinearConfig::new(i, o).init(&device);
            let key = Key::new(21).named(name);
            let weight = normal_at(key, 0, [i, o], &layer.weight.val());
            layer.weight = Param::from_tensor(weight);
            let bias = normal_at(key.named("bias"), 0, [o], &layer.weight.val());
            layer.bias = Some(Param::from_tensor(bias.mul_scalar(0.1)));
            layer
        };
        Self {
            hidden: linear("hidden", 12, 8),
            norm: norm.then(|| BatchNormConfig::new(8).init(&device)),
            out: linear("out", 8, 3),
        }
    }

    /// The same function by layers of other scales.
    pub fn rescaled(mut self, by: f64) -> Self {
        let scale = |param: Param<Tensor<2>>, by: f64| param.map(|weight| weight.mul_scalar(by));
        self.hidden.weight = scale(self.hidden.weight, by);
        self.hidden.bias = self.hidden.bias.map(|bias| bias.map(|bias| bias.mul_scalar(by)));
        self.out.weight = scale(self.out.weight, 1.0 / by);
        self
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let hidden = self.hidden.forward(images.flatten::<2>(1, 3));
        let hidden = match &self.norm {
            Some(norm) => norm.forward(hidden),
            None => hidden,
        };
        self.out.forward(relu(hidden))
    }

    /// The forward pass with noise on the logits, drawn anew by every scope.
    pub fn noisy(&self, images: Tensor<4>) -> Tensor<2> {
        let logits = self.forward(images);
        match layer_key("logits", &logits.device()) {
            None => logits,
            Some(key) => {
                let noise = normal_at(key, 0, [1, 3], &logits);
                logits + noise.mul_scalar(0.5)
            }
        }
    }
}

/// Images `[n, 3, 2, 2]` with labels, in batches.
pub fn batches(n: usize, size: usize) -> Vec<(Tensor<4>, Tensor<1, Int>)> {
    let device = Device::flex();
    let images = uniform::<4>(Key::new(31), [n, 3, 2, 2], &device);
    let labels: Vec<i64> = (0..n as i64).map(|i| i % 3).collect();
    let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &device);
    let cut = |first: usize| {
        let rows = first..(first + size).min(n);
        (images.clone().slice([rows.clone()]), labels.clone().slice([rows]))
    };
    (0..n).step_by(size).map(cut).collect()
}

pub fn attack() -> Pgd {
    Pgd::new(Threat::linf(0.05).unwrap()).with_steps(4).unwrap()
}
