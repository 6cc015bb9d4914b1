//! Stochastic gradient descent as PyTorch does it, and clipping by the global norm.

use crate::TrainingError;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent: `torch.optim.SGD`.
///
/// The default is plain: no momentum, no weight decay, no clipping. [`cni`](Self::cni) has the
/// settings of CNI's code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sgd {
    /// Momentum in [0, 1); 0 for none.
    pub momentum: f64,
    /// How much of a gradient momentum leaves out, in [0, 1]; 0 as PyTorch's default.
    pub dampening: f64,
    /// Nesterov's momentum in place of the classical. It needs momentum, and no dampening.
    pub nesterov: bool,
    /// Weight decay, added to the gradient as `weight_decay * parameter`.
    pub weight_decay: f64,
    /// Whether weight decay reaches the parameters of noise too, those of a `LearnedNoise` of
    /// `cni-layers`. It does in CNI's code and does not in PNI's.
    pub decay_noise: bool,
    /// The largest norm of the gradient over all parameters together, as `clip_grad_norm_`.
    pub clip: Option<f64>,
}

impl Sgd {
    /// CNI's: Nesterov momentum 0.9, weight decay 1e-4 on everything, norm at most 0.05.
    pub fn cni() -> Self {
        Self {
            momentum: 0.9,
            dampening: 0.0,
            nesterov: true,
            weight_decay: 1e-4,
            decay_noise: true,
            clip: Some(0.05),
        }
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(TrainingError::setting("momentum", self.momentum, "a number in [0, 1)"));
        }
        if !(0.0..=1.0).contains(&self.dampening) {
            return Err(TrainingError::setting("dampening", self.dampening, "a number in [0, 1]"));
        }
        if self.dampening > 0.0 && self.momentum == 0.0 {
            let got = format!("{} without momentum", self.dampening);
            return Err(TrainingError::setting("dampening", got, "0, or momentum above 0"));
        }
        if self.nesterov && (self.momentum == 0.0 || self.dampening > 0.0) {
            let got = format!("momentum {}, dampening {}", self.momentum, self.dampening);
            let wanted = "momentum above 0 and no dampening";
            return Err(TrainingError::setting("nesterov", got, wanted));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            let wanted = "a finite number of at least 0";
            return Err(TrainingError::setting("weight_decay", self.weight_decay, wanted));
        }
        match self.clip {
            Some(clip) if !(clip.is_finite() && clip > 0.0) => {
                Err(TrainingError::setting("clip", clip, "a finite number above 0"))
            }
            _ => Ok(()),
        }
    }

    /// Burn's optimizer with these settings, for `model`: its noise is what `decay_noise` is about.
    ///
    /// Clipping is not part of it: see [`clip_by_norm`].
    pub fn build<M: Module>(&self, model: &M) -> ModuleOptimizer {
        let config = |weight_decay: f64| {
            let momentum = (self.momentum > 0.0).then(|| {
                // Burn dampens by 0.1 unless told otherwise, PyTorch does not.
                MomentumConfig::new()
                    .with_momentum(self.momentum)
                    .with_dampening(self.dampening)
                    .with_nesterov(self.nesterov)
            });
            let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
            SgdConfig::new().with_momentum(momentum).with_weight_decay(decay)
        };
        let optimizer = config(self.weight_decay).init();
        let noise = if self.decay_noise { Vec::new() } else { noise_parameters(model) };
        if noise.is_empty() {
            return optimizer;
        }
        optimizer.with_group(ParamGroup::from_paths(noise), config(0.0).build(), None)
    }
}

/// The container by which a `LearnedNoise` tells visitors its specification.
pub(crate) const SPECIFICATION: &str = "cni_layers::Spec";

/// Whether a model has a `LearnedNoise`, whatever its amplitudes are.
pub(crate) fn has_noise<M: Module>(model: &M) -> bool {
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

/// The paths of the parameters of every `LearnedNoise` in a model.
///
/// Names of fields would not do, since a user's module may have a field named `noise` too. A
/// `LearnedNoise` tells visitors its specification before they see its parameters, as a module of
/// this container. Paths and not ids, because a checkpoint brings the ids of its own run.
fn noise_parameters<M: Module>(model: &M) -> Vec<String> {
    #[derive(Default)]
    struct Walk {
        path: Vec<String>,
        noise: Vec<Vec<String>>,
        found: Vec<String>,
    }
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, container: &str) {
            if container == SPECIFICATION {
                // The path here ends in the field that holds the specification.
                self.noise.push(self.path[..self.path.len().saturating_sub(1)].to_vec());
            }
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            let owner = &self.path[..self.path.len().saturating_sub(1)];
            if self.noise.iter().any(|noise| noise == owner) {
                self.found.push(self.path.join("."));
            }
        }
    }
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.found
}

/// The gradients scaled so that their norm over all parameters together is at most `max`, and that
/// norm before: PyTorch's `clip_grad_norm_`. Burn's own clipping takes the norm of each parameter
/// alone.
///
/// Without `max` the gradients stay as they are. A gradient that is not finite gives a norm that is
/// not finite.
pub fn clip_by_norm<M: Module>(
    module: &M,
    mut gradients: GradientsParams,
    max: Option<f64>,
) -> (GradientsParams, f64) {
    let mut sum = SquaredNorm { gradients: &gradients, sum: None };
    module.visit(&mut sum);
    let norm = sum.sum.map_or(0.0, |sum| sum.sqrt().into_scalar::<f64>());
    let scale = max.map_or(1.0, |max| max / (norm + 1e-6));
    if scale < 1.0 {
        module.visit(&mut Scale { gradients: &mut gradients, scale });
    }
    (gradients, norm)
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = (gradient.clone() * gradient).sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    scale: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.scale));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use cni_layers::{ActivationNoiseConfig, Granularity, LearnedNoise};
    use serde_json::Value;

    #[derive(Module, Debug)]
    struct Pair {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    #[derive(Module, Debug)]
    struct Noisy {
        weight: Param<Tensor<1>>,
        noise: Own,
        learned: LearnedNoise,
    }

    #[derive(Module, Debug)]
    struct Own {
        alpha: Param<Tensor<1>>,
    }

    fn list(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    /// `clip_grad_norm_` on gradients above and below the norm; `tests/reference/optim.py` made the
    /// values.
    #[test]
    fn clipping_is_pytorchs() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/optim.json");
        let values: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let device = Device::flex();
        let leaf = |n: [usize; 1]| Tensor::<1>::zeros(n, &device).autodiff();
        for case in ["long", "short"] {
            let case = &values["clip"][case];
            let pair = Pair {
                a: Param::from_tensor(leaf([6]).reshape([2, 3]).detach()),
                b: Param::from_tensor(leaf([4])),
            };
            let before = [0, 1].map(|i| {
                let data = TensorData::from(&list(&case["before"][i])[..]);
                Tensor::<1>::from_data(data, &device)
            });
            // The gradient of a product with a constant is that constant.
            let [a, b] = before;
            let loss = (pair.a.val().reshape([6]) * a).sum() + (pair.b.val() * b).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &pair);
            let (gradients, norm) = clip_by_norm(&pair, gradients, case["max_norm"].as_f64());
            assert!((norm - case["norm"].as_f64().unwrap()).abs() < 1e-5);
            let a: Vec<f64> = gradients.get::<2>(pair.a.id).unwrap().try_to_vec_as().unwrap();
            let b: Vec<f64> = gradients.get::<1>(pair.b.id).unwrap().try_to_vec_as().unwrap();
            for (i, got) in [a, b].into_iter().enumerate() {
                for (got, wanted) in got.into_iter().zip(list(&case["after"][i])) {
                    assert!((got - wanted).abs() < 1e-6, "{got} ≠ {wanted}");
                }
            }
        }
    }

    #[test]
    fn weight_decay_leaves_learned_noise_alone_and_nothing_else() {
        let ones = || Param::from_tensor(Tensor::<1>::ones([2], &Device::flex()).autodiff());
        let learned = || {
            ActivationNoiseConfig::white(Granularity::Layer)
                .init("layer", &[2], &Device::flex().autodiff())
                .noise
        };
        for decay_noise in [true, false] {
            let sgd = Sgd { weight_decay: 0.5, decay_noise, ..Sgd::default() };
            let kept = if decay_noise { 0.5 } else { 1.0 };
            // A user's own module of parameters in a field of that name.
            let model = Noisy { weight: ones(), noise: Own { alpha: ones() }, learned: learned() };
            let start = first(model.learned.vector("alpha").unwrap());
            let zero = (model.weight.val() * model.noise.alpha.val()).sum().mul_scalar(0.0)
                + model.learned.vector("alpha").unwrap().val().sum().mul_scalar(0.0);
            let gradients = GradientsParams::from_grads(zero.backward(), &model);
            let model = sgd.build(&model).step(1.0, model, gradients);
            assert_eq!((first(&model.weight), first(&model.noise.alpha)), (0.5, 0.5));
            assert_eq!(first(model.learned.vector("alpha").unwrap()), kept * start);
            // The noise alone: no path leads to it.
            let model = learned();
            let zero = model.vector("alpha").unwrap().val().sum().mul_scalar(0.0);
            let gradients = GradientsParams::from_grads(zero.backward(), &model);
            let model = sgd.build(&model).step(1.0, model, gradients);
            assert_eq!(first(model.vector("alpha").unwrap()), kept * start);
        }
    }

    fn first(param: &Param<Tensor<1>>) -> f32 {
        param.val().try_to_vec_as::<f32>().unwrap()[0]
    }
}
