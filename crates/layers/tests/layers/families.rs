//! Activations, wide ResNets and airbench networks against PyTorch, and in half precision.

use crate::support::reference::resnet20::{filled, gradients};
use crate::support::reference::{images, json, list};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor};
use cni_layers::models::{
    Activation, Architecture, ModelNoise, NormalizeConfig, ResNet, ResNetConfig,
};
use cni_layers::{
    ActivationNoiseConfig, Granularity, ParameterRole, WeightNoise, keyed_init, parameters,
};
use cni_noise::{Key, Noise, scope};
use cni_ops::{ObstacleReason, Precision, autocast};

#[test]
fn activations_and_their_gradients_are_pytorchs() {
    let values = json("families.json");
    let x = list(&values["x"]);
    let numbers: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    for &activation in Activation::ALL {
        let wanted = &values["activations"][activation.to_string()];
        let leaf = Tensor::<1>::from_floats(numbers.as_slice(), &Device::flex().autodiff());
        let leaf = leaf.require_grad();
        let out = activation.forward(leaf.clone());
        let slope: Vec<f64> =
            leaf.grad(&out.clone().sum().backward()).unwrap().try_to_vec_as().unwrap();
        let out: Vec<f64> = out.try_to_vec_as().unwrap();
        let wanted = list(&wanted["value"]).into_iter().zip(list(&wanted["gradient"]));
        for (((x, out), slope), (value, gradient)) in x.iter().zip(out).zip(slope).zip(wanted) {
            let scale = value.abs().max(1.0);
            assert!((out - value).abs() < 1e-6 * scale, "{activation}({x}): {out} ≠ {value}");
            assert!((slope - gradient).abs() < 2e-6, "{activation}'({x}): {slope} ≠ {gradient}");
        }
    }
}

/// The networks of `families.py`, by their names there.
fn networks() -> [(&'static str, ResNetConfig); 5] {
    let wrn = ResNetConfig::wide(10, 0.5, 10);
    let airbench = ResNetConfig::new(Architecture::Airbench, 10).with_width(0.25);
    let cifar = ResNetConfig::cifar(8, 10).with_width(0.5);
    [
        ("wrn", wrn.clone()),
        ("wrn-silu", wrn.with_activation(Activation::Silu)),
        ("airbench", airbench.clone()),
        ("airbench-softplus", airbench.with_activation(Activation::Softplus)),
        ("cifar-mish", cifar.with_activation(Activation::Mish)),
    ]
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn networks_agree_with_pytorch_forward_and_backward() {
    let values = json("families.json");
    let device = Device::flex().autodiff();
    let labels = Tensor::<1, Int>::from_data([3, 1, 4, 1], &device);
    for (name, config) in networks() {
        for mode in ["eval", "train"] {
            let wanted = &values["networks"][name][mode];
            let model = filled(config.init(&device), false);
            let x = images(4, &Device::flex()).autodiff().require_grad();
            let logits = match mode {
                "eval" => model.valid().forward(x.clone()),
                _ => model.forward(x.clone()),
            };
            let loss = CrossEntropyLossConfig::new().init(&device);
            let slopes = loss.forward(logits.clone(), labels.clone()).backward();
            let logits: Vec<f64> = logits.try_to_vec_as().unwrap();
            let all = list(&wanted["logits"]);
            let scale = all.iter().fold(0.0f64, |most, logit| most.max(logit.abs()));
            for (got, wanted) in logits.iter().zip(all) {
                assert!((got - wanted).abs() < 1e-4 * scale, "{name}, {mode}: {got} ≠ {wanted}");
            }
            let input = ("input".to_string(), x.grad(&slopes).unwrap().try_to_vec_as().unwrap());
            let parameters = if mode == "train" { gradients(&model, &slopes) } else { Vec::new() };
            for (of, slope) in [input].into_iter().chain(parameters) {
                let wanted = match of.as_str() {
                    "input" => &wanted["input_gradient"],
                    other => &wanted["gradients"][other],
                };
                let size = wanted["norm"].as_f64().expect(&of);
                let (got, what) = (norm(&slope), format!("{name}, {mode}: gradient of {of}"));
                assert!((got - size).abs() < 1e-3 * size, "{what}: norm {got} ≠ {size}");
                // The classifier's weight is stored transposed.
                let first = list(&wanted["first"]).into_iter().filter(|_| of != "fc.weight");
                for (got, wanted) in slope.iter().zip(first) {
                    assert!((got - wanted).abs() < 1e-3 * size, "{what}: {got} ≠ {wanted}");
                }
            }
        }
    }
}

/// Noise on weights, inputs, outputs, images and the classifier.
fn everywhere() -> ModelNoise {
    let white = ActivationNoiseConfig::white(Granularity::Channel);
    ModelNoise::cni(2)
        .with_input(white.clone())
        .with_conv_input(ActivationNoiseConfig::colored(1))
        .with_conv_output(white)
}

fn small(architecture: Architecture) -> ResNetConfig {
    ResNetConfig::new(architecture, 10)
        .with_width(0.25)
        .with_images([12, 10], NormalizeConfig::centered(1))
}

#[test]
fn every_parameter_and_every_noise_of_the_new_families_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let x = Tensor::<1>::from_floats([0.1, 0.9, 0.4, 0.7, 0.2], &device).repeat(&[48]);
    let x = x.reshape([2, 1, 12, 10]);
    for architecture in [Architecture::WideResNet { depth: 10 }, Architecture::Airbench] {
        let model = small(architecture).with_noise(everywhere()).init(&device);
        let model = keyed_init(model, Key::new(1));
        let logits = scope(Noise::Keyed(Key::new(2)), || model.forward(x.clone()));
        let slopes = gradients_by_path(&model, logits.powi_scalar(2).sum());
        let learned = parameters(&model)
            .into_iter()
            .filter(|found| matches!(found.role, ParameterRole::Model | ParameterRole::Noise));
        for parameter in learned {
            let slope = slopes.iter().find(|(path, _)| *path == parameter.path);
            let (_, slope) = slope.unwrap_or_else(|| panic!("{architecture}: {}", parameter.path));
            assert!(slope.is_finite() && *slope > 0.0, "{architecture}: {}", parameter.path);
        }
        // Noise can be taken off again, and silenced.
        let bare = WeightNoise::remove(model.clone());
        let logits = |model: &ResNet| {
            scope(Noise::Off, || model.valid().forward(x.clone().inner())).into_data()
        };
        assert_eq!(logits(&bare), logits(&model));
    }
}

/// The norm of each parameter's gradient.
fn gradients_by_path(model: &impl Module, loss: Tensor<1>) -> Vec<(String, f64)> {
    struct Read(Vec<String>, burn::tensor::Gradients, Vec<(String, f64)>);
    impl burn::module::ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if let Some(slope) = param.base().grad(&self.1) {
                let slope: Vec<f64> = slope.try_to_vec_as().unwrap();
                self.2.push((self.0.join("."), norm(&slope)));
            }
        }
    }
    let mut read = Read(Vec::new(), loss.backward(), Vec::new());
    model.visit(&mut read);
    read.2
}

#[test]
fn weights_saved_and_loaded_give_the_same_logits() {
    let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
    let x = Tensor::<4>::ones([2, 1, 12, 10], &device) * 0.3;
    for architecture in [Architecture::WideResNet { depth: 10 }, Architecture::Airbench] {
        let config = small(architecture).with_noise(ModelNoise::cni(1));
        let path = folder.path().join(format!("{architecture}.bpk"));
        let model = keyed_init(config.init(&device), Key::new(1));
        model.clone().save_file(&path).unwrap();
        let loaded = config.init(&device).load_file(&path);
        let logits = |model: &ResNet| {
            scope(Noise::Keyed(Key::new(3)), || model.forward(x.clone())).into_data()
        };
        assert_eq!(logits(&loaded), logits(&model), "{architecture}");
    }
}

#[test]
fn only_rectifiers_let_a_network_be_one_operation() {
    let device = Device::flex();
    for (config, wanted) in [
        (ResNetConfig::wide(10, 0.5, 10), None),
        (ResNetConfig::cifar(8, 10), None),
        (ResNetConfig::cifar(8, 10).with_activation(Activation::Relu), None),
        (
            ResNetConfig::cifar(8, 10).with_activation(Activation::Silu),
            Some((2, ObstacleReason::Activation)),
        ),
        (
            ResNetConfig::wide(10, 0.5, 10).with_activation(Activation::Mish),
            Some((3, ObstacleReason::Activation)),
        ),
        (ResNetConfig::new(Architecture::Airbench, 10), Some((2, ObstacleReason::Activation))),
        (
            ResNetConfig::new(Architecture::Airbench, 10).with_activation(Activation::Relu),
            Some((3, ObstacleReason::Pooling)),
        ),
    ] {
        let model = config.init(&device);
        let obstacle = model.body().obstacle([1, 3, 32, 32]);
        let obstacle = obstacle.map(|obstacle| (obstacle.step, obstacle.reason));
        assert_eq!(obstacle, wanted, "{config:?}");
    }
}

/// bfloat16 has 8 bits: products are off by up to 0.4 %, logits of these few layers by a few times
/// that.
#[test]
fn in_half_precision_every_network_gives_about_the_same_logits() {
    let device = Device::flex();
    for (name, config) in networks() {
        let model = filled(config.init(&device.clone().autodiff()), false).valid();
        let x = images(4, &device);
        let full = model.forward(x.clone());
        let half = autocast(Precision::Bf16, || model.forward(x));
        let scale = full.clone().abs().max().into_scalar::<f32>();
        let off = (half - full).abs().max().into_scalar::<f32>();
        assert!(0.0 < off && off < 0.03 * scale, "{name}: {off} of {scale}");
    }
}
