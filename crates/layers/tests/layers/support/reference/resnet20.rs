//! The ResNet-20 of `resnet20.py`.

use super::hash_uniform;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use cni_layers::models::{ModelNoise, ResNet, ResNetConfig};

/// The model with weights from a hash. Its draws come from the library's keys, rewritten in numpy.
pub fn resnet20(device: &Device, noise: ModelNoise) -> ResNet {
    let noisy = noise != ModelNoise::none();
    filled(ResNetConfig::cifar(20, 10).with_noise(noise).init(device), noisy)
}

/// A model of ten classes with weights from a hash.
pub fn filled(model: ResNet, noisy: bool) -> ResNet {
    model.map(&mut Fill { path: Vec::new(), stream: 1000, noisy })
}

struct Fill {
    path: Vec<String>,
    stream: u32,
    noisy: bool,
}

fn hash_normal(stream: u32, n: usize) -> Vec<f64> {
    let pairs = hash_uniform(2 * stream, n).into_iter().zip(hash_uniform(2 * stream + 1, n));
    pairs.map(|(u, v)| (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()).collect()
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        if path.starts_with("normalize.") {
            return param;
        }
        let name = path.rsplit('.').next().unwrap();
        let shape = param.lazy_shape();
        let (n, classifier) = (shape.num_elements(), path.starts_with("fc."));
        // The file lists a noisy classifier as weight, bias, alpha; here the noise follows its
        // weight.
        let stream = match (classifier && self.noisy, name) {
            (true, "alpha") => self.stream + 1,
            (true, "bias") => self.stream - 1,
            _ => self.stream,
        };
        self.stream += 1;
        let scaled = |values: Vec<f64>, scale: f64, shift: f64| -> Vec<f64> {
            values.into_iter().map(|v| scale * v + shift).collect()
        };
        let mut values = match name {
            "diagonal" => scaled(hash_uniform(stream, n), 0.0625, 0.03125),
            "alpha" => scaled(hash_uniform(stream, n), 0.25, 0.125),
            "factor" => scaled(hash_normal(stream, n), 0.01, 0.0),
            "weight" if D == 4 => {
                let fan_out = shape[0] * shape[2] * shape[3];
                scaled(hash_normal(stream, n), (2.0 / fan_out as f64).sqrt(), 0.0)
            }
            "gamma" => scaled(hash_uniform(stream, n), 1.0, 0.5),
            "running_var" => scaled(hash_uniform(stream, n), 2.0, 1.0),
            _ => scaled(hash_normal(stream, n), 0.1, 0.0),
        };
        if classifier && n > 10 {
            let inputs = n / 10;
            values = (0..n).map(|i| values[(i % 10) * inputs + i / 10]).collect();
        }
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        let tracked = param.is_require_grad();
        param.map(|old| {
            let new =
                Tensor::from_data(TensorData::new(values, old.shape()), &old.device().inner());
            if tracked { new.autodiff().require_grad() } else { new.autodiff() }
        })
    }
}

/// The gradients of all parameters, by PyTorch's names.
pub fn gradients(model: &ResNet, gradients: &Gradients) -> Vec<(String, Vec<f64>)> {
    let mut read = Read { path: Vec::new(), gradients, all: Vec::new() };
    model.visit(&mut read);
    read.all
}

struct Read<'a> {
    path: Vec<String>,
    gradients: &'a Gradients,
    all: Vec<(String, Vec<f64>)>,
}

impl ModuleVisitor for Read<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if path.starts_with("normalize.") || path.contains("running_") {
            return;
        }
        let name = path
            .replace("downsample.conv.conv", "downsample.0")
            .replace("downsample.bn", "downsample.1")
            .replace(".conv.weight", ".weight")
            .replace(".conv.bias", ".bias")
            .replace("fc.linear", "fc")
            .replace("gamma", "weight")
            .replace("beta", "bias")
            .replace("weight.noise.diagonal", "alphad_w")
            .replace("weight.noise.factor", "alphaf_w")
            .replace("weight.noise.alpha", "alpha");
        let slope = param.base().grad(self.gradients).expect(&name);
        self.all.push((name, slope.try_to_vec_as().unwrap()));
    }
}
