//! The states of a module with weight noise, as the section *Training state* of its documentation
//! tells them. One file, because all tests are rows of that section.

use burn::module::{
    Lora, LoraAdapter, Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, Quantizer,
};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::quantization::{Calibration, QuantValue};
use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use cni_layers::{
    Granularity, LearnedNoise, NoiseSummary, ParameterRole, WeightNoise, keyed_init,
    noise_parameters, parameters,
};
use cni_noise::{Key, Noise, normal, scope};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    fc: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let conv = Conv2dConfig::new([2, 3], [3, 3]).init(device);
        keyed_init(Self { conv, fc: LinearConfig::new(3, 2).init(device) }, Key::new(1))
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let [batch, _, _, _] = x.dims();
        self.fc.forward(self.conv.forward(x).mean_dims(&[2, 3]).reshape([batch, 3]))
    }
}

fn images(device: &Device) -> Tensor<4> {
    normal(Key::new(2), [4, 2, 5, 5], device)
}

fn logits(net: &Net, noise: Noise, x: &Tensor<4>) -> TensorData {
    scope(noise, || net.forward(x.clone())).into_data()
}

fn keyed() -> Noise {
    Noise::Keyed(Key::new(3))
}

/// The paths of the parameters that get a gradient.
fn trained(net: &Net) -> Vec<String> {
    struct Find<'a>(&'a GradientsParams, Vec<burn::module::ParamId>);
    impl ModuleVisitor for Find<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.get::<D>(param.id).is_some() {
                self.1.push(param.id);
            }
        }
    }
    let loss = scope(keyed(), || net.forward(images(&Device::flex()))).powi_scalar(2).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), net);
    let mut find = Find(&gradients, Vec::new());
    net.visit(&mut find);
    let found = parameters(net).into_iter().filter(|found| find.1.contains(&found.id));
    found.map(|found| found.path).collect()
}

const WEIGHTS: [&str; 4] = ["conv.weight", "conv.bias", "fc.weight", "fc.bias"];
const NOISE: [&str; 4] = [
    "conv.weight.noise.diagonal",
    "conv.weight.noise.factor",
    "fc.weight.noise.diagonal",
    "fc.weight.noise.factor",
];

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths
}

fn of(paths: &[&str]) -> Vec<String> {
    sorted(paths.iter().map(|path| path.to_string()).collect())
}

#[test]
fn freezing_stops_training_and_never_the_noise() {
    let net = WeightNoise::colored(1).inject(Net::new(&Device::flex().autodiff()));
    let noise = noise_parameters(&net);
    let everything = [WEIGHTS, NOISE].concat();
    let x = images(&Device::flex().autodiff());
    let wanted = logits(&net, keyed(), &x);
    let cases: [(&str, Net, &[&str]); 4] = [
        ("as it is", net.clone(), &everything),
        ("noise frozen", net.clone().freeze_group(noise.clone()), &WEIGHTS),
        (
            "all but noise frozen",
            net.clone().freeze_group(ParamGroup::all().exclude(noise.clone())),
            &NOISE,
        ),
        ("unfrozen", net.clone().freeze().unfreeze(), &everything),
    ];
    for (state, net, paths) in cases {
        assert_eq!(sorted(trained(&net)), of(paths), "{state}");
        assert_eq!(logits(&net, keyed(), &x), wanted, "{state}");
        // `valid` suspends the training, `train` takes it up.
        assert_eq!(sorted(trained(&net.valid().train())), of(paths), "{state}, trained again");
        assert_eq!(logits(&net.valid(), keyed(), &x), wanted, "{state}, valid");
    }
    assert_eq!(logits(&net.clone().freeze(), keyed(), &x), wanted);
}

#[test]
fn a_fold_keeps_ids_and_training_and_so_does_a_removal() {
    let plain = Net::new(&Device::flex().autodiff());
    let noisy = WeightNoise::colored(1).inject(plain.clone());
    let x = images(&Device::flex());
    let folded = WeightNoise::fold(noisy.clone(), Key::new(3));
    assert_eq!(logits(&folded, Noise::Off, &x), logits(&noisy, keyed(), &x));
    let removed = WeightNoise::remove(noisy.clone());
    assert_eq!(logits(&removed, keyed(), &x), logits(&noisy, Noise::Off, &x));
    for net in [folded, removed] {
        assert_eq!(parameters(&net), parameters(&plain));
        assert_eq!(sorted(trained(&net)), of(&WEIGHTS));
    }
}

#[test]
fn a_clone_has_parameters_of_its_own_and_the_same_ids_and_draws() {
    let device = Device::flex().autodiff();
    let net = WeightNoise::colored(1).inject(Net::new(&device));
    let x = images(&Device::flex());
    let before = logits(&net, keyed(), &x);
    let copy = net.clone();
    assert_eq!(parameters(&copy), parameters(&net));
    assert_eq!(logits(&copy, keyed(), &x), before);
    let loss = scope(keyed(), || copy.forward(images(&device))).powi_scalar(2).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &copy);
    let copy = SgdConfig::new().init().step(0.1, copy, gradients);
    assert_ne!(logits(&copy, keyed(), &x), before);
    assert_eq!(logits(&net, keyed(), &x), before);
}

#[test]
fn noise_moves_with_the_module() {
    let device = Device::flex().autodiff();
    let net = WeightNoise::colored(1).inject(Net::new(&device));
    let x = images(&Device::flex());
    let wanted = logits(&net, keyed(), &x);
    let moved = net.clone().to_device(&Device::flex());
    assert_eq!(moved.devices(), [Device::flex()]);
    assert_eq!(logits(&moved, keyed(), &x), wanted);
    let forked = net.clone().fork(&device);
    assert_eq!(sorted(trained(&forked)), sorted(trained(&net)));
    assert_eq!(logits(&forked, keyed(), &x), wanted);
}

#[test]
fn lora_on_some_weights_and_noise_on_others_train_together() {
    let adapted = Net::new(&Device::flex().autodiff()).apply_lora(Lora::new(1, 2.0));
    let noise = WeightNoise::colored(1);
    let error = noise.try_inject(adapted.clone()).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"group: selects fc.weight, which has the reparameterization "lora"; fold that first"#
    );
    let noise = noise.with_group(ParamGroup::from_path("conv.weight"));
    let net = noise.inject(adapted);
    // LoRA has frozen what was there when it came; the noise came later.
    let wanted = [&NOISE[..2], &["fc.weight.lora.a", "fc.weight.lora.b"]].concat();
    assert_eq!(sorted(trained(&net)), of(&wanted));
    assert!(net.fc.weight.reparameterization::<LoraAdapter>().is_some());
    let x = images(&Device::flex());
    assert_ne!(logits(&net, keyed(), &x), logits(&net, Noise::Off, &x));
    // A removal folds the adapter too.
    let removed = WeightNoise::remove(net.clone());
    assert!(removed.fc.weight.reparameterization::<LoraAdapter>().is_none());
    assert_eq!(logits(&removed, keyed(), &x), logits(&net, Noise::Off, &x));
    // An adapter that has been folded is a weight like any other.
    let folded = Net::new(&Device::flex()).apply_lora(Lora::new(1, 2.0)).materialize();
    assert_eq!(NoiseSummary::of(&WeightNoise::colored(1).inject(folded)).entries().len(), 2);
}

/// Casts all parameters.
struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tracked = param.is_require_grad();
        param.map(|value| {
            let autodiff = value.is_autodiff();
            let value = value.inner().cast(self.0);
            if autodiff { value.autodiff().set_require_grad(tracked) } else { value }
        })
    }
}

/// 8 bits of significand in bf16, 11 in f16; the logits are sums of a few dozen products.
#[test]
fn a_module_in_half_precision_takes_noise_before_and_after_the_cast() {
    let device = Device::flex();
    let x = images(&device);
    for (dtype, tolerance) in [(DType::F16, 0.02), (DType::BF16, 0.1)] {
        for noise in [WeightNoise::colored(1), WeightNoise::white(Granularity::Channel)] {
            let single = noise.inject(Net::new(&device));
            let wanted = logits(&single, keyed(), &x);
            let before = single.map(&mut Cast(dtype));
            let after = noise.inject(Net::new(&device).map(&mut Cast(dtype)));
            for (when, net) in [("before", before), ("after", after)] {
                let out = logits(&net, keyed(), &x.clone().cast(dtype));
                assert_eq!(out.dtype(), dtype, "noise {when} the cast");
                let out = out.convert::<f32>();
                out.assert_approx_eq::<f32>(&wanted, Tolerance::absolute(tolerance));
            }
        }
    }
}

/// A quantized weight is a step of its scale away from what it was.
#[test]
fn a_quantized_weight_takes_noise() {
    let device = Device::flex();
    let scheme = device.settings().quantization.scheme.with_value(QuantValue::Q8S);
    let mut quantizer = Quantizer::new(Calibration::MinMax, scheme);
    let linear = keyed_init(LinearConfig::new(32, 32).init(&device), Key::new(1));
    let x = normal::<2>(Key::new(2), [4, 32], &device);
    let run = |linear: &Linear, noise| scope(noise, || linear.forward(x.clone())).into_data();
    let noise = WeightNoise::colored(1);
    let weights = || ParamGroup::from_path("weight");
    let after = noise.inject(linear.clone().quantize_weights_group(&mut quantizer, weights()));
    let noisy = noise.inject(linear.clone());
    let before = noisy.clone().quantize_weights_group(&mut quantizer, weights());
    for (when, quantized) in [("before", before), ("after", after)] {
        for scope in [keyed(), Noise::Off] {
            let (out, wanted) = (run(&quantized, scope), run(&noisy, scope));
            out.assert_approx_eq::<f32>(&wanted, Tolerance::absolute(0.1));
        }
        assert_ne!(run(&quantized, keyed()), run(&quantized, Noise::Off), "noise {when} the cast");
        let noise = quantized.weight.reparameterization::<LearnedNoise>();
        assert!(noise.is_some() && matches!(quantized.weight.base().dtype(), DType::QFloat(_)));
    }
}

#[test]
fn every_parameter_has_one_role() {
    use burn::nn::BatchNormConfig;
    #[derive(Module, Debug)]
    struct Normed {
        normalize: cni_layers::models::Normalize,
        conv: Conv2d,
        bn: burn::nn::BatchNorm,
    }
    let device = Device::flex();
    let normed = Normed {
        normalize: cni_layers::models::NormalizeConfig::centered(2).init(&device),
        conv: Conv2dConfig::new([2, 3], [3, 3]).init(&device),
        bn: BatchNormConfig::new(3).init(&device),
    };
    let normed = WeightNoise::white(Granularity::Layer).inject(normed);
    let found = parameters(&normed);
    let roles: Vec<_> = found.iter().map(|found| (found.path.as_str(), found.role)).collect();
    use ParameterRole::{Constant, Model, Noise, RunningStatistic};
    let wanted = [
        ("normalize.mean", Constant),
        ("normalize.std", Constant),
        ("conv.weight", Model),
        ("conv.weight.noise.alpha", Noise),
        ("conv.bias", Model),
        ("bn.gamma", Model),
        ("bn.beta", Model),
        ("bn.running_mean", RunningStatistic),
        ("bn.running_var", RunningStatistic),
    ];
    assert_eq!(roles, wanted);
    let group = noise_parameters(&normed);
    for parameter in &found {
        let matches = group.matches(&parameter.id, None);
        assert_eq!(matches, parameter.role == ParameterRole::Noise, "{}", parameter.path);
    }
}
