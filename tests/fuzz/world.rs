//! The smallest model and data that all readers of our own files can be tried on.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::ImageData;
use cni_burn::noise::{Key, normal, uniform};

pub const SHAPE: [usize; 3] = [1, 2, 2];
const CLASSES: usize = 3;
const EXAMPLES: usize = 4;

/// A linear model whose weights are the same in every process.
pub fn model() -> Linear {
    let device = Device::flex();
    let mut model = LinearConfig::new(4, CLASSES).init(&device);
    model.weight = model.weight.map(|w| normal(Key::new(1), w.dims(), &device));
    model.bias = model.bias.map(|bias| bias.map(|b| b.zeros_like()));
    model
}

pub fn forward(model: &Linear, images: Tensor<4>) -> Tensor<2> {
    model.forward(images.flatten::<2>(1, 3))
}

pub fn batch() -> (Tensor<4>, Tensor<1, Int>) {
    let [channels, height, width] = SHAPE;
    let shape = [EXAMPLES, channels, height, width];
    let images: Tensor<4> = uniform(Key::new(2), shape, &Device::flex());
    let labels = forward(&model(), images.clone()).argmax(1).squeeze_dim(1);
    (images, labels)
}

pub fn data() -> ImageData {
    let pixels: Vec<u8> = (0..4 * EXAMPLES).map(|i| (i * 37 % 256) as u8).collect();
    let labels: Vec<u16> = (0..EXAMPLES).map(|i| (i % CLASSES) as u16).collect();
    let classes = (0..CLASSES).map(|class| class.to_string()).collect();
    ImageData::new("tiny", SHAPE, pixels, labels, classes).unwrap()
}
