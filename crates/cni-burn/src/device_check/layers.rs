//! Layers, each with its gradients.

use super::comparison::part;
use super::{Comparison, Parts, Tolerance, values};
use burn::module::Param;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, LinearConfig, PaddingConfig2d};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use cni_layers::{
    ActivationNoiseConfig, Granularity, LayerNoise, NoisyConv2dConfig, WeightNoise, keyed_init,
};
use cni_noise::{Key, Noise, scope};
use cni_ops::{Epilogue, Precision, conv2d, linear};
use std::error::Error;

/// Sums of some thousand terms in another order.
const SUMS: f64 = 5e-5;

/// Results that one of the two may round to bfloat16, which has eight bits.
const HALF: f64 = 1e-2;

/// A convolution: channels in and out, kernel, stride, dilation, groups.
type Kind = ([usize; 2], usize, usize, usize, usize);

const CONVOLUTIONS: [(&str, Kind); 11] = [
    ("3x3", ([16, 32], 3, 1, 1, 1)),
    ("3x3, stride 2", ([16, 32], 3, 2, 1, 1)),
    ("3x3, many channels", ([64, 64], 3, 1, 1, 1)),
    ("1x1", ([16, 32], 1, 1, 1, 1)),
    ("1x1, stride 2", ([16, 32], 1, 2, 1, 1)),
    ("3x3, one channel", ([1, 16], 3, 1, 1, 1)),
    ("3x3, three channels", ([3, 16], 3, 1, 1, 1)),
    ("3x3, two groups", ([16, 32], 3, 1, 1, 2)),
    ("3x3, a group a channel", ([16, 16], 3, 1, 1, 16)),
    ("3x3, dilated", ([16, 16], 3, 1, 2, 1)),
    ("5x5", ([3, 8], 5, 1, 1, 1)),
];

pub fn all() -> Vec<Comparison> {
    let relative = Tolerance::Relative(SUMS);
    let convolutions = CONVOLUTIONS.into_iter().map(|(name, kind)| {
        Comparison::new(format!("convolution {name}"), relative, move |device| {
            convolution(device, kind)
        })
        .of_products()
    });
    let half = [Precision::Bf16, Precision::F16].into_iter().flat_map(|precision| {
        let of = |name: &str| format!("{name} in {precision}");
        let relative = Tolerance::Relative(HALF);
        let (_, kind) = CONVOLUTIONS[0];
        [
            Comparison::new(of("convolution 3x3"), relative, move |device| {
                convolution(device, kind)
            }),
            Comparison::new(of("linear layer"), relative, product),
        ]
        .map(|comparison| comparison.in_precision(precision))
    });
    let others = [
        Comparison::new("linear layer", relative, product).of_products(),
        Comparison::new("batch norm by the batch", relative, batch_norm),
        Comparison::new("batch norm by running statistics", relative, running_norm),
        Comparison::new("noisy weight", relative, noisy_weight).of_products(),
        Comparison::new("noisy convolution", Tolerance::Relative(10.0 * SUMS), noisy_convolution)
            .of_products(),
    ];
    convolutions.chain(others).chain(half).collect()
}

/// A parameter of given values, on the device's tape.
fn parameter<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(values(seed, shape, device))
}

fn convolution(device: &Device, kind: Kind) -> Result<Parts, Box<dyn Error>> {
    let (channels, kernel, stride, dilation, groups) = kind;
    let device = &device.clone().autodiff();
    let pad = dilation * (kernel / 2);
    let mut layer = Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_dilation([dilation, dilation])
        .with_groups(groups)
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .init(device);
    layer.weight = parameter(1, [channels[1], channels[0] / groups, kernel, kernel], device);
    layer.bias = Some(parameter(2, [channels[1]], device));
    // A size that is no multiple of a tile.
    let x = values::<4>(3, [5, channels[0], 14, 13], device).require_grad();
    let out = conv2d(&layer, x.clone());
    let slope = values::<4>(4, out.dims(), device);
    let gradients = (out.clone() * slope).sum().backward();
    let mut parts = vec![part("output", out)?];
    parts.extend(x.grad(&gradients).map(|slope| part("gradient of the input", slope)).transpose()?);
    let gradients = GradientsParams::from_grads(gradients, &layer);
    let weight = gradients.get::<4>(layer.weight.id);
    parts.extend(weight.map(|slope| part("gradient of the weight", slope)).transpose()?);
    let bias = layer.bias.and_then(|bias| gradients.get::<1>(bias.id));
    parts.extend(bias.map(|slope| part("gradient of the bias", slope)).transpose()?);
    Ok(parts)
}

fn product(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let device = &device.clone().autodiff();
    let mut layer = LinearConfig::new(130, 301).init(device);
    layer.weight = parameter(1, [130, 301], device);
    layer.bias = Some(parameter(2, [301], device));
    let x = values::<2>(3, [33, 130], device).require_grad();
    let out = linear(&layer, x.clone());
    let gradients = (out.clone() * values::<2>(4, [33, 301], device)).sum().backward();
    let mut parts = vec![part("output", out)?];
    parts.extend(x.grad(&gradients).map(|slope| part("gradient of the input", slope)).transpose()?);
    let gradients = GradientsParams::from_grads(gradients, &layer);
    let weight = gradients.get::<2>(layer.weight.id);
    parts.extend(weight.map(|slope| part("gradient of the weight", slope)).transpose()?);
    Ok(parts)
}

fn batch_norm(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let device = &device.clone().autodiff();
    let mut layer = BatchNormConfig::new(16).init(device);
    layer.gamma = parameter(1, [16], device);
    layer.beta = parameter(2, [16], device);
    let x = values::<4>(3, [5, 16, 14, 13], device).require_grad();
    let out = cni_ops::batch_norm(&layer, x.clone(), Epilogue::relu());
    let gradients = (out.clone() * values::<4>(4, out.dims(), device)).sum().backward();
    let mut parts = vec![
        part("output", out)?,
        part("running mean", layer.running_mean.value_sync())?,
        part("running variance", layer.running_var.value_sync())?,
    ];
    parts.extend(x.grad(&gradients).map(|slope| part("gradient of the input", slope)).transpose()?);
    let gradients = GradientsParams::from_grads(gradients, &layer);
    for (name, id) in [("scale", layer.gamma.id), ("shift", layer.beta.id)] {
        let slope = gradients.get::<1>(id);
        parts
            .extend(slope.map(|slope| part(format!("gradient of the {name}"), slope)).transpose()?);
    }
    Ok(parts)
}

fn running_norm(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let mut layer = BatchNormConfig::new(16).init(device);
    layer.gamma = parameter(1, [16], device);
    layer.beta = parameter(2, [16], device);
    let x = values::<4>(3, [5, 16, 14, 13], device);
    let residual = values::<4>(4, [5, 16, 14, 13], device);
    Ok(vec![part("output", cni_ops::batch_norm(&layer, x, Epilogue::add_relu(residual)))?])
}

/// A standard deviation that takes more than one step to join, and the gradients of the noise.
fn noisy_weight(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let device = &device.clone().autodiff();
    let mut layer = LinearConfig::new(130, 301).with_bias(false).init(device);
    layer.weight = parameter(1, [130, 301], device);
    let layer = WeightNoise::colored(2).inject(layer);
    let weight = scope(Noise::Keyed(Key::new(6)), || layer.weight.val());
    let gradients = (weight.clone() * values::<2>(2, [130, 301], device)).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, &layer);
    let mut parts = vec![part("weight", weight)?];
    parts.extend(super::models::gradients(&layer, &gradients)?);
    Ok(parts)
}

fn noisy_convolution(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let device = &device.clone().autodiff();
    let noise = LayerNoise::none()
        .with_weight(WeightNoise::colored(5))
        .with_input(ActivationNoiseConfig::white(Granularity::Channel))
        .with_output(ActivationNoiseConfig::colored(3));
    let conv =
        Conv2dConfig::new([3, 5], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let config = NoisyConv2dConfig::new(conv, [6, 6]).with_noise(noise.with_name("layer"));
    let layer = keyed_init(config.init(device), Key::new(7));
    let x = values::<4>(8, [3, 3, 6, 6], device);
    let out = scope(Noise::Keyed(Key::new(9)), || layer.forward(x));
    let gradients = (out.clone() * values::<4>(4, out.dims(), device)).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, &layer);
    let mut parts = vec![part("output", out)?];
    parts.extend(super::models::gradients(&layer, &gradients)?);
    Ok(parts)
}
