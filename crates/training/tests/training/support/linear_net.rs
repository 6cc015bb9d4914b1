//! Two linear layers on the digits, with keyed weights.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal_at};

#[derive(Module, Debug)]
pub struct Net {
    pub hidden: Linear,
    pub out: Linear,
}

impl Net {
    pub fn new() -> Self {
        let device = Device::flex();
        let linear = |name: &str, i, o| {
            let mut layer = LinearConfig::new(i, o).init(&device);
            let drawn = normal_at(Key::new(1).named(name), 0, [i, o], &layer.weight.val());
            layer.weight = Param::from_tensor(drawn.mul_scalar(0.2));
            layer.bias = layer.bias.map(|_| Param::from_tensor(Tensor::zeros([o], &device)));
            layer
        };
        Self { hidden: linear("hidden", 64, 16), out: linear("out", 16, 10) }
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.out.forward(relu(self.hidden.forward(images.flatten::<2>(1, 3))))
    }
}
