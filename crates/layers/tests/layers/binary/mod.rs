//! Binary layers: values, gradients, and what they refuse.

mod dense_net;
mod file;
mod latent;
mod packed;
mod packed_network;
mod surrogates;

use burn::module::{Module, Param};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use cni_layers::binary::{
    Binarized, BinaryConv2dConfig, BinaryLinearConfig, BinaryWeights, PadValue, Quantizer,
};
use cni_layers::{WeightNoise, count_parameters, keyed_init, parameters};
use cni_noise::{Key, normal};

fn device() -> Device {
    Device::flex()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_to_vec_as::<f32>().unwrap()
}

/// Values and gradients at some points.
fn at(quantizer: Quantizer, points: &[f32]) -> [Vec<f32>; 2] {
    let x = Tensor::<1>::from_floats(points, &device()).autodiff().require_grad();
    let y = quantizer.forward(x.clone());
    let gradients = y.clone().sum().backward();
    [numbers(y), numbers(x.grad(&gradients).unwrap())]
}

#[test]
fn quantizers_have_the_values_and_gradients_of_their_definitions() {
    let e = 1e-3;
    let points = [-1.0 - e, -1.0, -1.0 + e, -e, -0.0, 0.0, e, 1.0, 1.0 + e];
    let [values, gradients] = at(Quantizer::ste_sign(), &points);
    assert_eq!(values, [-1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    // The ends of the range have a gradient.
    assert_eq!(gradients, [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    let [_, gradients] = at(Quantizer::dense_net(), &[-1.301, -1.3, 1.3, 1.301]);
    assert_eq!(gradients, [0.0, 1.0, 1.0, 0.0]);
    let [_, gradients] = at(Quantizer::SteSign { clip: None }, &[-1e6, 1e6]);
    assert_eq!(gradients, [1.0, 1.0]);

    let [values, gradients] = at(Quantizer::ApproxSign, &[-2.0, -1.0, -0.25, 0.0, 0.75, 1.0, 2.0]);
    assert_eq!(values, [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(gradients, [0.0, 0.0, 1.5, 2.0, 0.5, 0.0, 0.0]);

    let points = [-30.0, -1.0, -0.2, 0.0, 0.3, 0.7, 1e4];
    let [values, gradients] = at(Quantizer::swish_sign(), &points);
    assert_eq!(values, [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0]);
    for (x, got) in points.iter().zip(gradients) {
        let z = 5.0 * f64::from(*x);
        let wanted = match z.abs() < 300.0 {
            true => 5.0 * (2.0 - z * (z / 2.0).tanh()) / (1.0 + z.cosh()),
            false => 0.0,
        };
        assert!((f64::from(got) - wanted).abs() < 1e-5, "{x}: {got} {wanted}");
    }
}

#[test]
fn what_is_not_finite_does_not_pass_for_a_sign() {
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -3.0];
    let x = Tensor::<1>::from_floats(values, &device());
    for x in [x.clone(), x.autodiff().require_grad()] {
        let signs = numbers(Quantizer::ste_sign().forward(x));
        assert!(signs[..3].iter().all(|sign| sign.is_nan()) && signs[3] == -1.0, "{signs:?}");
    }
}

fn sign(value: f32) -> f32 {
    if value < 0.0 { -1.0 } else { 1.0 }
}

#[test]
fn a_layer_is_that_of_the_signs_of_its_inputs_and_latent_weights() {
    let pads = [PadValue::Zero, PadValue::Minus, PadValue::Plus];
    for (pad, value) in pads.into_iter().zip([0.0, -1.0, 1.0]) {
        let conv = Conv2dConfig::new([5, 4], [3, 2])
            .with_stride([2, 1])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let layer = BinaryConv2dConfig::new(conv).with_pad(pad).init(&device());
        let layer = keyed_init(layer, Key::new(1));
        let (height, width) = (6, 5);
        let x = normal::<4>(Key::new(2), [2, 5, height, width], &device());
        let y = layer.forward(x.clone());
        let [batch, outputs, rows, columns] = y.dims();
        assert_eq!([batch, outputs, rows, columns], [2, 4, 3, 6]);
        let (x, y) = (numbers(x), numbers(y));
        let weight = numbers(layer.conv.weight.base());
        for (at, got) in y.into_iter().enumerate() {
            let (n, o) = (at / (outputs * rows * columns), at / (rows * columns) % outputs);
            let (row, column) = (at / columns % rows, at % columns);
            let mut wanted = 0.0;
            for (tap, &latent) in weight[o * 30..][..30].iter().enumerate() {
                let (c, i, j) = (tap / 6, tap / 2 % 3, tap % 2);
                let (y, x_) = ((2 * row + i).wrapping_sub(1), (column + j).wrapping_sub(1));
                let input = match y < height && x_ < width {
                    true => sign(x[((n * 5 + c) * height + y) * width + x_]),
                    false => value,
                };
                wanted += input * sign(latent);
            }
            assert_eq!(got, wanted, "{pad}, {at}");
            // Whole numbers, of the kernel's parity unless zeros lie around: the number of equal
            // signs is (y + K) / 2.
            assert!(pad == PadValue::Zero || (got + 30.0) % 2.0 == 0.0, "{pad}, {at}: {got}");
        }
    }
    let layer = BinaryLinearConfig::new(LinearConfig::new(7, 3)).init(&device());
    let layer = keyed_init(layer, Key::new(1));
    let x = normal::<3>(Key::new(2), [2, 4, 7], &device());
    let (got, weight) = (numbers(layer.forward(x.clone())), numbers(layer.linear.weight.base()));
    let x = numbers(x);
    for (at, got) in got.into_iter().enumerate() {
        let (row, o) = (at / 3, at % 3);
        let wanted: f32 = (0..7).map(|i| sign(x[row * 7 + i]) * sign(weight[i * 3 + o])).sum();
        assert_eq!(got, wanted);
    }
}

#[test]
fn latent_weights_are_the_parameters_that_save_and_load() {
    let config = BinaryConv2dConfig::new(Conv2dConfig::new([3, 8], [3, 3]));
    let layer = keyed_init(config.init(&device()), Key::new(1));
    assert_eq!(count_parameters(&layer), 216);
    let paths: Vec<_> = parameters(&layer).into_iter().map(|found| found.path).collect();
    assert_eq!(paths, ["conv.weight"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.bpk");
    layer.clone().save_file(&path).unwrap();
    let loaded = config.init(&device()).load_file(&path);
    assert_eq!(numbers(loaded.conv.weight.base()), numbers(layer.conv.weight.base()));
    let found = loaded.conv.weight.reparameterization::<Binarized>().unwrap();
    assert_eq!(found.quantizer(), Quantizer::dense_net());
}

/// Exclusive or of signs, by a hidden layer of binary weights and inputs.
#[test]
fn a_binary_network_learns_exclusive_or() {
    #[derive(Module, Debug)]
    struct Net {
        first: burn::nn::Linear,
        second: cni_layers::binary::BinaryLinear,
    }
    let device = device().autodiff();
    let net = Net {
        first: BinaryWeights::new(Quantizer::ste_sign())
            .inject(LinearConfig::new(3, 32).with_bias(false).init(&device)),
        second: BinaryLinearConfig::new(LinearConfig::new(32, 1)).init(&device),
    };
    let mut net = keyed_init(net, Key::new(3));
    // The third input is a bias.
    let x = Tensor::<2>::from_floats(
        [[-1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 1.0]],
        &device,
    );
    let y = Tensor::<2>::from_floats([[-1.0], [1.0], [1.0], [-1.0]], &device);
    let forward = |net: &Net| net.second.forward(net.first.forward(x.clone())).div_scalar(8.0);
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..300 {
        let loss = (forward(&net) * y.clone()).neg().add_scalar(1.0).clamp_min(0.0).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = optimizer.step(0.05, net, gradients);
    }
    let right =
        numbers(forward(&net)).iter().zip(numbers(y)).filter(|(a, b)| **a * b > 0.0).count();
    assert_eq!(right, 4);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = device();
    let conv = || BinaryConv2dConfig::new(Conv2dConfig::new([3, 4], [3, 3]));
    let error = |config: BinaryConv2dConfig| config.try_init(&device).unwrap_err().to_string();
    for clip in [0.0, -1.0, f64::NAN] {
        let quantizer = Quantizer::SteSign { clip: Some(clip) };
        let wanted = format!("clip: got {clip}, wanted a finite number above 0");
        assert_eq!(error(conv().with_weights(quantizer)), wanted);
        assert_eq!(error(conv().with_input(Some(quantizer))), wanted);
    }
    let swish = Quantizer::SwishSign { beta: 0.0 };
    assert!(error(conv().with_weights(swish)).starts_with("beta: got 0,"));
    let mut biased = conv();
    biased.conv.bias = true;
    assert!(error(biased).starts_with("bias: got true, wanted false"));
    let empty = BinaryLinearConfig::new(LinearConfig::new(0, 4)).try_init(&device).unwrap_err();
    assert!(empty.to_string().starts_with("linear: got 0 to 4"));
    // One reparameterization on a weight.
    let linear = LinearConfig::new(8, 4).init(&device);
    let noisy = WeightNoise::colored(1).inject(linear.clone());
    let binary = BinaryWeights::new(Quantizer::ste_sign());
    let error = binary.try_inject(noisy).unwrap_err().to_string();
    assert!(error.contains("weight") && error.contains("noise"), "{error}");
    let error = WeightNoise::colored(1).try_inject(binary.inject(linear)).unwrap_err().to_string();
    assert!(error.contains("binary"), "{error}");
    let nothing = burn::nn::BatchNormConfig::new(4).init(&device);
    assert!(binary.try_inject(nothing).unwrap_err().to_string().starts_with("group: selects none"));
    let text = serde_json::to_string(&conv().with_weights(Quantizer::swish_sign())).unwrap();
    assert!(text.contains("\"swish_sign\""), "{text}");
    let read: BinaryConv2dConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(read.weights, Quantizer::swish_sign());
}

/// The parameter itself, so that the test of a layer needs no optimizer.
#[test]
fn a_step_changes_latent_weights_within_the_clip_alone() {
    let device = device().autodiff();
    let mut layer = BinaryLinearConfig::new(LinearConfig::new(2, 1)).with_input(None).init(&device);
    let latent = Tensor::<2>::from_floats([[0.5], [1.5]], &device);
    layer.linear.weight = Param::from_tensor(latent);
    let layer = BinaryWeights::new(Quantizer::ste_sign()).inject(layer);
    let loss = layer.forward(Tensor::<2>::ones([1, 2], &device)).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &layer);
    let stepped = SgdConfig::new().init().step(0.25, layer, gradients);
    assert_eq!(numbers(stepped.linear.weight.base()), [0.25, 1.5]);
}
