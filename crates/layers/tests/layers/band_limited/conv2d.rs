//! Band-limited convolutions against the definition in double precision, and against ordinary ones.

use super::{close, device, numbers, values};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor};
use cni_layers::WeightNoise;
use cni_layers::band_limited::{
    Band, BandLimitedConv2d, BandLimitedConv2dConfig, BandLimitedInputConfig, Method,
};
use cni_noise::{Key, Noise, scope};
use std::f64::consts::TAU;

/// Input, kernel, stride, padding (above, left, below, right), dilation, a bias, powers of two.
pub type Case = ([usize; 2], [usize; 2], [usize; 2], [usize; 4], [usize; 2], bool, bool);

pub const CASES: &[Case] = &[
    ([8, 8], [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], false, false),
    ([8, 8], [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], true, true),
    ([7, 10], [3, 5], [1, 2], [0, 2, 1, 0], [1, 1], true, false),
    ([9, 6], [1, 1], [1, 1], [0, 0, 0, 0], [1, 1], false, false),
    ([9, 8], [1, 1], [2, 2], [0, 0, 0, 0], [1, 1], false, true),
    ([9, 9], [3, 2], [1, 1], [2, 1, 2, 1], [2, 3], true, false),
    ([4, 5], [4, 5], [1, 1], [0, 0, 0, 0], [1, 1], false, false),
];

const CHANNELS: [usize; 2] = [3, 4];

pub fn conv(case: Case) -> Conv2dConfig {
    let (_, kernel, stride, [top, left, bottom, right], dilation, bias, _) = case;
    Conv2dConfig::new(CHANNELS, kernel)
        .with_stride(stride)
        .with_padding(PaddingConfig2d::Explicit(top, left, bottom, right))
        .with_dilation(dilation)
        .with_bias(bias)
}

fn layer(case: Case, band: Band, method: Method, device: &Device) -> BandLimitedConv2d {
    let input = BandLimitedInputConfig::new(band).with_power_of_two(case.6);
    let config = BandLimitedConv2dConfig::new(conv(case), band).with_input(input);
    config.with_method(method).init(device)
}

/// The output, and the gradients of a weighted sum of it to input and weight.
fn pass(layer: impl Fn(Tensor<4>) -> Tensor<4>, weight: Tensor<4>, x: Tensor<4>) -> [Vec<f64>; 3] {
    let x = x.require_grad();
    let y = layer(x.clone());
    let gradients = (y.clone() * values::<4>(3, y.dims())).sum().backward();
    let [to_x, to_weight] = [x.grad(&gradients), weight.grad(&gradients)].map(Option::unwrap);
    [numbers(y), numbers(to_x), numbers(to_weight)]
}

#[test]
fn the_band_of_all_frequencies_is_an_ordinary_convolution_with_its_gradients() {
    let device = device().autodiff();
    for &case in CASES {
        let x = values(1, [2, 3, case.0[0], case.0[1]]).autodiff();
        let plain = conv(case).init(&device);
        let wanted = pass(|x| plain.forward(x), plain.weight.val(), x.clone());
        for method in [Method::Direct, Method::Spectra] {
            let mut layer = layer(case, Band::ALL, method, &device);
            (layer.conv.weight, layer.conv.bias) = (plain.weight.clone(), plain.bias.clone());
            let got = pass(|x| layer.forward(x), layer.conv.weight.val(), x.clone());
            for (part, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                // Some sixty terms of about one, and transforms of as many.
                close(&format!("{case:?} {method:?} {part}"), got, wanted, 2e-4);
            }
        }
    }
}

/// The published operator by its definition: transforms of both on the grid, cut to the low
/// frequencies, multiplied, transformed back.
fn reference(case: Case, q: [usize; 2], n: [usize; 2], x: &[f64], weight: &[f64]) -> Vec<f64> {
    let (input, kernel, stride, [top, left, bottom, right], dilation, ..) = case;
    let padded = [input[0] + top + bottom, input[1] + left + right];
    let out = [0, 1].map(|i| (padded[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1);
    let low = |f: usize, axis: usize| f.min(n[axis] - f) < q[axis];
    // x̂(f) of an image whose pixel (i, j) lies at `at(i, j)`.
    let transform = |values: &[f64], size: [usize; 2], at: &dyn Fn(usize, usize) -> [usize; 2]| {
        let mut spectrum = vec![[0.0; 2]; n[0] * n[1]];
        for (f, value) in spectrum.iter_mut().enumerate() {
            let (u, v) = (f / n[1], f % n[1]);
            if !low(u, 0) || !low(v, 1) {
                continue;
            }
            for i in 0..size[0] {
                for j in 0..size[1] {
                    let [y, x] = at(i, j);
                    let turns = (u * y) as f64 / n[0] as f64 + (v * x) as f64 / n[1] as f64;
                    let (sin, cos) = (TAU * turns).sin_cos();
                    value[0] += values[i * size[1] + j] * cos;
                    value[1] -= values[i * size[1] + j] * sin;
                }
            }
        }
        spectrum
    };
    let pixels = input[0] * input[1];
    let spectra: Vec<_> = x
        .chunks_exact(pixels)
        .map(|image| transform(image, input, &|i, j| [top + i, left + j]))
        .collect();
    let taps = kernel[0] * kernel[1];
    let of_weight: Vec<_> = weight
        .chunks_exact(taps)
        .map(|tap| transform(tap, kernel, &|i, j| [i * dilation[0], j * dilation[1]]))
        .collect();
    let [inputs, outputs] = CHANNELS;
    let mut result = Vec::new();
    for example in spectra.chunks_exact(inputs) {
        for o in 0..outputs {
            let mut product = vec![[0.0; 2]; n[0] * n[1]];
            for (c, x) in example.iter().enumerate() {
                for ((z, &[a, b]), &[c, d]) in
                    product.iter_mut().zip(x).zip(&of_weight[o * inputs + c])
                {
                    z[0] += a * c + b * d;
                    z[1] += b * c - a * d;
                }
            }
            for i in 0..out[0] {
                for j in 0..out[1] {
                    let mut sum = 0.0;
                    for (f, [re, im]) in product.iter().enumerate() {
                        let (u, v) = (f / n[1], f % n[1]);
                        let turns = (u * i * stride[0]) as f64 / n[0] as f64
                            + (v * j * stride[1]) as f64 / n[1] as f64;
                        let (sin, cos) = (TAU * turns).sin_cos();
                        sum += re * cos - im * sin;
                    }
                    result.push(sum / (n[0] * n[1]) as f64);
                }
            }
        }
    }
    result
}

#[test]
fn both_ways_equal_the_published_operator_and_each_other_in_their_gradients() {
    let device = device().autodiff();
    for &case in CASES {
        let (input, kernel, _, [top, left, bottom, right], dilation, _, power_of_two) = case;
        let padded = [input[0] + top + bottom, input[1] + left + right];
        let n = [0, 1].map(|i| {
            let span = dilation[i] * (kernel[i] - 1) + 1;
            let n = padded[i] + span.max(padded[i] - span + 1) - 1;
            if power_of_two { n.next_power_of_two() } else { n }
        });
        for rate in [0.3f64, 0.75, 0.99] {
            let q = n.map(|n| (((n / 2 + 1) as f64 * (1.0 - rate).sqrt()) as usize).max(1));
            let x = values(1, [2, 3, input[0], input[1]]).autodiff();
            let weight = values::<4>(2, [4, 3, kernel[0], kernel[1]]).autodiff();
            let mut parts = Vec::new();
            for method in [Method::Direct, Method::Spectra] {
                let mut layer = layer(case, Band::Rate(rate), method, &device);
                layer.conv.weight = burn::module::Param::from_tensor(weight.clone());
                layer.conv.bias = None;
                parts.push(pass(|x| layer.forward(x), layer.conv.weight.val(), x.clone()));
            }
            let wanted = reference(case, q, n, &numbers(x), &numbers(weight));
            let name = format!("{case:?} {rate}");
            close(&format!("{name}: direct"), &parts[0][0], &wanted, 1e-4);
            close(&format!("{name}: spectra"), &parts[1][0], &wanted, 1e-4);
            let [direct, spectra] = &parts[..] else { panic!("two ways") };
            for (part, (a, b)) in direct.iter().zip(spectra).enumerate() {
                close(&format!("{name}: part {part}"), a, b, 3e-4);
            }
        }
    }
}

/// A wave of 8 periods over 32 pixels, which lies at 16.25 periods over the grid of 65.
#[test]
fn a_band_for_a_share_loses_at_most_the_rest_of_the_energy_in_a_convolution() {
    let device = device();
    let wave = (0..32 * 32).map(|at| (TAU * 8.0 * f64::from(at % 32) / 32.0).cos() as f32);
    let wave = Tensor::<1>::from_floats(wave.collect::<Vec<f32>>().as_slice(), &device);
    let x = wave.reshape([1, 1, 32, 32]);
    // The kernel that gives each pixel itself.
    let mut taps = [0f32; 9];
    taps[4] = 1.0;
    let taps = Tensor::<1>::from_floats(taps, &device).reshape([1, 1, 3, 3]);
    let energy_of = |x: Tensor<4>| numbers(x).iter().map(|v| v * v).sum::<f64>();
    for (power_of_two, wanted) in [(false, [18; 2]), (true, [35; 2])] {
        let layer = |band: Band| {
            let conv = Conv2dConfig::new([1, 1], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false);
            let input = BandLimitedInputConfig::new(band).with_power_of_two(power_of_two);
            let config = BandLimitedConv2dConfig::new(conv, band).with_input(input);
            let mut layer = config.init(&device);
            layer.conv.weight = layer.conv.weight.map(|_| taps.clone());
            layer
        };
        let all = layer(Band::ALL);
        let energy = all.input.energy(&all.conv, x.clone()).unwrap();
        let whole = energy_of(x.clone());
        assert!((energy.total() - whole).abs() < 1e-6 * whole);
        assert_eq!(Band::preserving(0.9, &energy).unwrap(), Band::Frequencies(wanted));
        for share in [0.3, 0.6, 0.9, 0.97] {
            let band = Band::preserving(share, &energy).unwrap();
            let lost = energy_of(x.clone() - layer(band).forward(x.clone())) / whole;
            assert!(lost <= 1.0 - share + 1e-5, "{power_of_two} {share}: {band} loses {lost}");
        }
    }
}

#[test]
fn the_parameters_are_those_of_an_ordinary_convolution_and_carry_noise() {
    let case = CASES[0];
    let layer = layer(case, Band::Rate(0.5), Method::Direct, &device());
    let noisy = WeightNoise::colored(2).inject(layer.clone());
    let x = values::<4>(1, [2, 3, 8, 8]);
    let run = |noise| scope(noise, || numbers(noisy.forward(x.clone())));
    assert_eq!(run(Noise::Off), numbers(layer.forward(x.clone())));
    assert_eq!(run(Noise::Keyed(Key::new(1))), run(Noise::Keyed(Key::new(1))));
    assert_ne!(run(Noise::Keyed(Key::new(1))), run(Noise::Off));
    assert_eq!(cni_layers::count_parameters(&layer), 3 * 4 * 9);
}
