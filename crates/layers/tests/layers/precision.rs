//! Noise in single precision, where backends have kernels of their own, against double precision,
//! where they have none.

use crate::support::noises::every_noise;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{DType, Device, Gradients, Tensor};
use cni_layers::{ActivationNoiseConfig, Granularity, Per, keyed_init};
use cni_noise::{Key, Noise, NoiseScale, normal, scope_at};

struct To(DType);

impl ModuleMapper for To {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| t.inner().cast(self.0).autodiff().require_grad())
    }
}

/// The gradient of every parameter, in the order of the visit.
struct Slopes<'a>(&'a Gradients, Vec<Vec<f64>>);

impl ModuleVisitor for Slopes<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let slope = param.base().grad(self.0).expect("every parameter gets a gradient");
        self.1.push(slope.try_to_vec_as().unwrap());
    }
}

/// The output, the input's gradient and the parameters' gradients, from the 9th example on.
fn run<M: Module>(
    model: M,
    dtype: DType,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<4>,
) -> Vec<Vec<f64>> {
    let model = model.map(&mut To(dtype));
    let x = normal::<4>(Key::new(1), [3, 2, 5, 5], &Device::flex());
    let x = x.cast(dtype).autodiff().require_grad();
    let out = scope_at(Noise::Keyed(Key::new(2)), 9, || forward(&model, x.clone()));
    let weights = normal::<4>(Key::new(3), out.dims(), &Device::flex()).cast(dtype);
    let gradients = (out.clone() * weights).sum().backward();
    let mut slopes = Slopes(&gradients, Vec::new());
    model.visit(&mut slopes);
    let list = |x: Tensor<4>| x.try_to_vec_as().unwrap();
    let mut all = vec![list(out), list(x.grad(&gradients).unwrap())];
    all.append(&mut slopes.1);
    all
}

fn assert_agree<M: Module>(
    what: &str,
    model: &M,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<4> + Copy,
) {
    let single = run(model.clone(), DType::F32, forward);
    let double = run(model.clone(), DType::F64, forward);
    assert_eq!(single.len(), double.len());
    for (n, (single, double)) in single.iter().zip(&double).enumerate() {
        assert_eq!(single.len(), double.len(), "{what}, tensor {n}");
        let scale = double.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        for (single, double) in single.iter().zip(double) {
            let close = (single - double).abs() < 1e-5 * scale;
            assert!(close, "{what}, tensor {n}: {single} ≠ {double}");
        }
    }
}

#[test]
fn weight_noise_agrees_with_double_precision() {
    let device = Device::flex().autodiff();
    for noise in every_noise() {
        let conv = Conv2dConfig::new([2, 3], [3, 3]).init(&device);
        let conv = keyed_init(noise.inject(conv), Key::new(4));
        assert_agree(&format!("{noise:?}"), &conv, |conv, x| conv.forward(x));
    }
}

#[test]
fn activation_noise_agrees_with_double_precision() {
    let device = Device::flex().autodiff();
    let laws = [Granularity::Layer, Granularity::Channel, Granularity::Element]
        .map(ActivationNoiseConfig::white)
        .into_iter()
        .chain([0, 1, 5].map(ActivationNoiseConfig::colored));
    for law in laws {
        for scale in [NoiseScale::Reference, NoiseScale::Relative] {
            for (draw, std) in [
                (Per::Batch, Per::Batch),
                (Per::Example, Per::Batch),
                (Per::Batch, Per::Example),
                (Per::Example, Per::Example),
            ] {
                let config = law.clone().with_scale(scale);
                let config = config.with_draw_per(draw).with_std_per(std);
                let noise =
                    config.clone().with_name("noise").with_features([2, 5, 5]).init(&device);
                assert_agree(&format!("{config:?}"), &noise, |noise, x| noise.forward(x));
            }
        }
    }
}
