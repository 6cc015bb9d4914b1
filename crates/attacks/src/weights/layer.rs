//! The layers of a model: what each of its tensors is.

use super::walk::{VisitFloat, visit_floats};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::HashSet;

/// A layer, as weight-space perturbations see it: one float tensor of a model. The weight and the
/// bias of a convolution are two layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The path of fields that leads to it from the model, such as `layer1.0.conv1.weight`.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of the struct that holds it, such as `Conv2d`; empty if no struct does.
    pub module: String,
    /// True for a parameter of a `LearnedNoise` of `cni-layers`.
    pub is_noise: bool,
    /// True if training moves it: false for running statistics and for constants.
    pub is_trainable: bool,
}

impl Layer {
    /// True for a scale or a shift of a norm: its struct is named as one, such as `BatchNorm`,
    /// `GroupNorm`, `LayerNorm`, `InstanceNorm`, `RmsNorm`, or a custom `FrozenBatchNorm2d`.
    ///
    /// The type counts and no field's name, so that it holds for every Burn module.
    pub fn is_norm(&self) -> bool {
        let dimensions = ["1d", "2d", "3d"].into_iter();
        let mut names = dimensions.filter_map(|end| self.module.strip_suffix(end));
        self.module.ends_with("Norm") || names.any(|name| name.ends_with("Norm"))
    }

    /// True for what the published definition of flatness perturbs: weights and biases, without
    /// the parameters of norms and of noise.
    pub fn is_perturbed(&self) -> bool {
        self.is_trainable && !self.is_norm() && !self.is_noise
    }
}

/// The container by which a `LearnedNoise` tells visitors its specification. The name of a field is
/// no evidence, since a user's module may have a field named `noise` too.
const SPECIFICATION: &str = "cni_layers::Spec";

/// The container of the constants of a `Normalize` of `cni-layers`, which no setting of a parameter
/// makes trainable.
const CONSTANTS: &str = "cni_layers::Normalize";

/// True if a model has a `LearnedNoise`, whatever its amplitudes are.
pub fn has_noise<M: Module>(model: &M) -> bool {
    struct Walk(bool);
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, _name: &str, container: &str) {
            self.0 |= container == SPECIFICATION;
        }
    }
    let mut walk = Walk(false);
    model.visit(&mut walk);
    walk.0
}

/// All float tensors of a model, in the order of its fields.
pub fn layers<M: Module>(model: &M) -> Vec<Layer> {
    #[derive(Default)]
    struct Walk {
        path: Vec<String>,
        containers: Vec<String>,
        noise: Vec<Vec<String>>,
        trainable: HashSet<String>,
        layers: Vec<Layer>,
    }
    impl Walk {
        fn parent(&self) -> &[String] {
            &self.path[..self.path.len().saturating_sub(1)]
        }
    }
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, container: &str) {
            if container == SPECIFICATION {
                // The path here ends in the field that holds the specification, which visitors
                // meet before the parameters.
                self.noise.push(self.parent().to_vec());
            }
            self.path.push(name.to_string());
            self.containers.push(container.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
            self.containers.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            let shape: [usize; D] = param.lazy_shape().dims();
            let mut containers = self.containers.iter().rev();
            let module = containers.find_map(|of| of.strip_prefix("Struct:"));
            let is_constant = self.containers.last().is_some_and(|of| of == CONSTANTS);
            let layer = Layer {
                shape: shape.to_vec(),
                module: module.unwrap_or_default().to_string(),
                is_noise: self.noise.iter().any(|noise| self.parent().starts_with(noise)),
                is_trainable: !is_constant && self.trainable.contains(&path),
                path,
            };
            self.layers.push(layer);
        }
    }
    let mut walk = Walk { trainable: trainable(model), ..Walk::default() };
    model.visit(&mut walk);
    walk.layers
}

/// The paths of what requires a gradient in training, also of a model that is in inference.
fn trainable<M: Module>(model: &M) -> HashSet<String> {
    struct Collect(HashSet<String>);
    impl VisitFloat for Collect {
        fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
            if param.base().is_require_grad() {
                self.0.insert(path.to_string());
            }
        }
    }
    let mut collect = Collect(HashSet::new());
    visit_floats(&model.valid().train(), &mut collect);
    collect.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct ConvNorm {
        norm: Conv2d,
        conv: BatchNorm,
        group: Option<GroupNorm>,
        list: Vec<Linear>,
        batch_norm: Param<Tensor<1>>,
    }

    /// Fields are named to mislead: the types count.
    #[test]
    fn norms_are_known_by_their_types_and_not_by_their_fields() {
        let device = Device::flex();
        let net = ConvNorm {
            norm: Conv2dConfig::new([2, 3], [3, 3]).init(&device),
            conv: BatchNormConfig::new(3).init(&device),
            group: Some(GroupNormConfig::new(1, 3).init(&device)),
            list: vec![LinearConfig::new(3, 2).init(&device)],
            batch_norm: Param::from_tensor(Tensor::ones([2], &device)),
        };
        for net in [net.clone(), net.valid(), net.train()] {
            let layers = layers(&net);
            let perturbed = layers.iter().filter(|layer| layer.is_perturbed());
            let paths: Vec<&str> = perturbed.map(|layer| layer.path.as_str()).collect();
            assert_eq!(paths, ["norm.weight", "norm.bias", "list.0.weight", "list.0.bias"]);
            let statistics = layers.iter().filter(|layer| !layer.is_trainable);
            let paths: Vec<&str> = statistics.map(|layer| layer.path.as_str()).collect();
            assert_eq!(paths, ["conv.running_mean", "conv.running_var"]);
            assert_eq!(layers[0].shape, [3, 2, 3, 3]);
        }
    }

    #[test]
    fn a_norm_of_ones_own_is_one_by_its_name() {
        let named = |module: &str| Layer {
            path: "w".into(),
            shape: vec![2],
            module: module.into(),
            is_noise: false,
            is_trainable: true,
        };
        for (module, is_norm) in [
            ("FrozenBatchNorm2d", true),
            ("RmsNorm", true),
            ("Normalizer", false),
            ("NormFree2d", false),
            ("", false),
        ] {
            assert_eq!(named(module).is_norm(), is_norm, "{module}");
        }
    }
}
