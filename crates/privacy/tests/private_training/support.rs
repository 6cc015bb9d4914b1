//! Networks with one layer of each kind, batches, and how far gradients are apart.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_data::{Batch, ImageData, Split, digits};
use cni_layers::keyed_init;
use cni_noise::Key;
use cni_training::{Objective, ParameterValues, Schedule, Sgd, Step, TrainingConfig};

/// A convolution, a group norm, a layer norm and a linear layer on the digits.
#[derive(Module, Debug)]
pub struct Net {
    pub conv: Conv2d,
    pub norm: GroupNorm,
    pub layer: LayerNorm,
    pub out: Linear,
}

impl Net {
    pub fn new() -> Self {
        let device = Device::flex();
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let conv = Conv2dConfig::new([1, 4], [3, 3]).with_stride([2, 2]).with_padding(padding);
        let net = Self {
            conv: conv.init(&device),
            norm: GroupNormConfig::new(2, 4).init(&device),
            layer: LayerNormConfig::new(64).init(&device),
            out: LinearConfig::new(64, 10).init(&device),
        };
        keyed_init(net, Key::new(1))
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(images))).flatten::<2>(1, 3);
        self.out.forward(self.layer.forward(x))
    }
}

/// A linear layer that no image reaches beside one that all do.
#[derive(Module, Debug)]
pub struct Unreached {
    pub out: Linear,
    pub unused: Linear,
}

impl Unreached {
    pub fn new() -> Self {
        let linear = || LinearConfig::new(64, 10).init(&Device::flex());
        keyed_init(Self { out: linear(), unused: linear() }, Key::new(1))
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.out.forward(images.flatten::<2>(1, 3))
    }
}

pub fn data(examples: usize) -> ImageData {
    digits(Split::Train).take(examples)
}

/// The digits at these positions as a batch.
pub fn batch(examples: &[usize]) -> Batch {
    let data = digits(Split::Train);
    let rows: Vec<_> =
        examples.iter().map(|&i| data.batch(i..i + 1, &Device::flex()).unwrap()).collect();
    let (images, labels): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    Batch {
        images: Tensor::cat(images, 0).autodiff(),
        labels: Tensor::cat(labels, 0),
        key: Key::new(5),
        epoch: 0,
        number: 0,
        batches: 1,
        indices: examples.into(),
        first_example: 0,
        whole: examples.len(),
    }
}

/// The gradient of the loss of one digit, and its norms: over all, and of each tensor.
pub fn alone<N: Module + 'static>(
    net: &N,
    forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Clone,
    example: usize,
) -> (ParameterValues, f64, Vec<f64>) {
    let step = Step::new(net, forward, batch(&[example]));
    let gradients = step.backward(Objective::clean().losses(&step).unwrap()).gradients;
    let square = |g: &Tensor<1>| {
        let values: Vec<f64> =
            g.try_to_vec_as::<f32>().unwrap().iter().map(|v| (*v).into()).collect();
        values.iter().map(|v| v * v).sum::<f64>()
    };
    let squares: Vec<f64> = gradients.iter().map(|(_, g)| square(g)).collect();
    let norm = squares.iter().sum::<f64>().sqrt();
    (gradients, norm, squares.into_iter().map(f64::sqrt).collect())
}

/// All values in double precision, in the order of the parameters' paths.
pub fn flat(values: &ParameterValues) -> Vec<f64> {
    let mut parts: Vec<_> = values.iter().map(|(p, v)| (&p.path, v)).collect();
    parts.sort_by_key(|(path, _)| *path);
    let of = |(_, v): (_, &Tensor<1>)| v.try_to_vec_as::<f32>().unwrap();
    parts.into_iter().flat_map(of).map(f64::from).collect()
}

pub fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Plain SGD at a constant rate, without momentum and decay.
pub fn config(epochs: usize, batch_size: usize) -> TrainingConfig {
    TrainingConfig {
        batch_size,
        optimizer: Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0, ..Sgd::default() }
            .into(),
        schedule: Schedule::constant(0.5),
        key: Key::new(3),
        ..TrainingConfig::new(epochs, Objective::clean())
    }
}

/// Every number of a model.
pub fn numbers<M: Module>(model: &M) -> Vec<f32> {
    use burn::module::ModuleVisitor;
    struct Collect(Vec<f32>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.base().try_to_vec_as::<f32>().unwrap());
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}

/// Asserts that a value is within five standard errors of the one wanted: by the normal law a
/// comparison fails by chance with probability 6e-7.
pub fn near(got: f64, wanted: f64, error: f64) {
    assert!((got - wanted).abs() < 5.0 * error, "{got}, wanted {wanted} ± {error}");
}
