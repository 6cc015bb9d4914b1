//! A whole model: its logits, a training step, an attack.

use super::comparison::{list, part};
use super::{Comparison, Parts, Tolerance};
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Attack, FrozenModel, Goal, Pgd, Threat};
use cni_layers::models::{ModelNoise, NormalizeConfig, ResNet, ResNetConfig};
use cni_layers::{ActivationNoiseConfig, Granularity, keyed_init};
use cni_noise::{Key, Noise, host_uniform, scope};
use cni_ops::Precision;
use std::error::Error;

/// Twenty layers of sums in another order, divided by standard deviations.
const MODEL: f64 = 2e-3;
/// The same in half precision.
const HALF: f64 = 0.1;
/// Signs of gradients that are next to nothing.
const SIGNS: f64 = 0.02;

pub fn all() -> Vec<Comparison> {
    let of_logits = |name, tolerance| Comparison::new(name, Tolerance::Relative(tolerance), logits);
    vec![
        of_logits("model, logits", MODEL),
        of_logits("model, logits in bf16", HALF).in_precision(Precision::Bf16),
        of_logits("model, logits in f16", HALF).in_precision(Precision::F16),
        Comparison::new("model, a training step", Tolerance::Relative(MODEL), step),
        Comparison::new("model, attacked by PGD", Tolerance::Share(SIGNS), attacked),
    ]
}

/// A small ResNet with noise everywhere, on the device's tape.
fn model(device: &Device) -> ResNet {
    let noise = ModelNoise::cni(2)
        .with_input(ActivationNoiseConfig::white(Granularity::Layer))
        .with_conv_output(ActivationNoiseConfig::colored(1));
    let config = ResNetConfig::cifar(8, 10)
        .with_width(0.25)
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_noise(noise);
    keyed_init(config.init(&device.clone().autodiff()), Key::new(10))
}

fn images(device: &Device) -> Tensor<4> {
    let values = host_uniform(Key::new(11), 0..4 * 64);
    Tensor::<1>::from_floats(values.as_slice(), device).reshape([4, 1, 8, 8])
}

fn labels(device: &Device) -> Tensor<1, Int> {
    Tensor::from_data([3, 1, 4, 1], device)
}

fn logits(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let model = model(device).valid();
    let logits = scope(Noise::Keyed(Key::new(12)), || model.forward(images(device)));
    Ok(vec![part("logits", logits)?])
}

fn step(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let (model, device) = (model(device), &device.clone().autodiff());
    let out = scope(Noise::Keyed(Key::new(14)), || model.forward(images(device)));
    let loss = CrossEntropyLossConfig::new().init(device).forward(out, labels(device));
    let found = GradientsParams::from_grads(loss.clone().backward(), &model);
    let mut parts = vec![part("loss", loss)?];
    parts.extend(gradients(&model, &found)?);
    let mut after = Weights::default();
    SgdConfig::new().init().step(0.1, model, found).visit(&mut after);
    for (path, values) in after.all {
        parts.push((format!("{path} after it"), values?));
    }
    Ok(parts)
}

fn attacked(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let model = model(device);
    let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_steps(2)?;
    let (frozen, images) = (FrozenModel::new(&model, ResNet::forward), images(device));
    let goal = Goal::Misclassify(labels(device));
    let found = attack.on(&frozen).with_key(Key::new(13)).perturb(images.clone(), &goal)?;
    Ok(vec![part("change of the images", found.images - images)?])
}

/// The gradient of every parameter, by its path.
pub fn gradients<M: Module>(
    model: &M,
    gradients: &GradientsParams,
) -> Result<Parts, Box<dyn Error>> {
    let mut walk = Gradients { gradients, path: Vec::new(), all: Vec::new() };
    model.visit(&mut walk);
    walk.all
        .into_iter()
        .map(|(path, values)| Ok((format!("gradient of {path}"), values?)))
        .collect()
}

type Read = Vec<(String, Result<Vec<f32>, Box<dyn Error>>)>;

struct Gradients<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    all: Read,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(slope) = self.gradients.get::<D>(param.id) {
            self.all.push((self.path.join("."), list(slope)));
        }
    }
}

/// Every parameter, by its path; running statistics, which no step of the optimizer moves, have a
/// comparison of their own.
#[derive(Default)]
struct Weights {
    path: Vec<String>,
    all: Read,
}

impl ModuleVisitor for Weights {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.last().is_some_and(|name| !name.starts_with("running")) {
            self.all.push((self.path.join("."), list(param.base().inner())));
        }
    }
}
