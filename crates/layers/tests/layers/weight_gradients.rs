//! Gradients through noisy weights: against central differences in double precision, and where the
//! variance is zero.

use crate::support::noises::every_noise;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::LinearConfig;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_layers::{LearnedNoise, WeightNoise, keyed_init};
use cni_noise::laws::{Colored, White};
use cni_noise::{Key, Noise, normal, scope};

struct ToF64;

impl ModuleMapper for ToF64 {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| t.inner().cast(DType::F64).autodiff().require_grad())
    }
}

/// Adds a step to one entry of the base weight, of the k-th parameter visited.
struct Nudge {
    parameter: usize,
    entry: usize,
    step: f64,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mine = self.parameter == 0;
        self.parameter = self.parameter.wrapping_sub(1);
        if !mine {
            return param;
        }
        param.map(|t| {
            let mut values: Vec<f64> = t.try_to_vec_as().unwrap();
            values[self.entry] += self.step;
            let options = (&Device::flex(), DType::F64);
            Tensor::from_data(TensorData::new(values, t.shape()), options).autodiff().require_grad()
        })
    }
}

/// Gradients of every parameter of a noisy convolution, with a fixed key, against central
/// differences in f64.
#[test]
fn gradients_agree_with_central_differences() {
    let device = Device::flex().autodiff();
    let x = normal::<4>(Key::new(2), [4, 2, 5, 5], &Device::flex()).cast(DType::F64);
    let weights = normal::<4>(Key::new(4), [4, 3, 3, 3], &Device::flex()).cast(DType::F64);
    let loss = |conv: &Conv2d| {
        let out = scope(Noise::Keyed(Key::new(5)), || conv.forward(x.clone()));
        (out * weights.clone()).sum()
    };
    for noise in every_noise() {
        // At the reference's scale white noise holds the standard deviation constant, which
        // differences cannot.
        let white = noise.law().downcast_ref::<White>().is_some();
        if white && format!("{noise:?}").contains("Reference") {
            continue;
        }
        let conv = Conv2dConfig::new([2, 3], [3, 3]).init(&device);
        let conv = noise.inject(keyed_init(conv, Key::new(6))).map(&mut ToF64);
        let gradients = loss(&conv).backward();
        let base = conv.weight.base().grad(&gradients).unwrap();
        let learned = conv.weight.reparameterization::<LearnedNoise>().unwrap();
        let mut slopes = vec![base.reshape([54])];
        for (_, param) in learned.vectors() {
            slopes.push(param.val().grad(&gradients).unwrap());
        }
        if let Some(factor) = learned.factor() {
            let n = factor.shape().num_elements();
            slopes.push(factor.val().grad(&gradients).unwrap().reshape([n]));
        }
        for (parameter, slope) in slopes.into_iter().enumerate() {
            let slope: Vec<f64> = slope.try_to_vec_as().unwrap();
            for entry in (0..slope.len()).step_by(7) {
                let at = |step| -> f64 {
                    let nudged = conv.clone().map(&mut Nudge { parameter, entry, step });
                    loss(&nudged).into_scalar()
                };
                let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!(
                    (slope[entry] - numeric).abs() < 1e-6 * numeric.abs().max(1.0),
                    "{noise:?}, parameter {parameter}, entry {entry}: {} ≠ {numeric}",
                    slope[entry]
                );
            }
        }
    }
}

#[test]
fn a_weight_of_zero_variance_has_finite_gradients() {
    let device = Device::flex().autodiff();
    let constant = burn::nn::Initializer::Constant { value: 0.5 };
    let linear = LinearConfig::new(3, 2).with_initializer(constant).init(&device);
    let law = Colored { rank: 1, diagonal: 0.0, factor: 0.0 };
    let noisy = WeightNoise::new(law).inject(linear);
    let gradients = noisy.forward(Tensor::<2>::ones([1, 3], &device)).sum().backward();
    let noise = noisy.weight.reparameterization::<LearnedNoise>().unwrap();
    let slopes = [
        noisy.weight.base().grad(&gradients).unwrap().reshape([6]),
        noise.vector("diagonal").unwrap().val().grad(&gradients).unwrap(),
        noise.factor().unwrap().val().grad(&gradients).unwrap().reshape([6]),
    ];
    for slope in slopes {
        assert!(slope.try_to_vec_as::<f32>().unwrap().iter().all(|g| g.is_finite()));
    }
}
