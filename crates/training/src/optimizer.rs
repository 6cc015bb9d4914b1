//! Stochastic gradient descent as PyTorch does it, and clipping by the global norm.

use crate::TrainingError;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// SGD with Nesterov momentum and weight decay: `torch.optim.SGD(nesterov=True, dampening=0)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// Momentum in [0, 1); 0 for none.
    pub momentum: f64,
    /// Weight decay, added to the gradient as `weight_decay * parameter`.
    pub weight_decay: f64,
    /// Whether the parameters of noise decay too. They do in CNI's code and do not in PNI's.
    pub decay_noise: bool,
    /// The largest norm of the gradient over all parameters together, as `clip_grad_norm_`.
    pub clip: Option<f64>,
}

impl Default for Sgd {
    /// CNI's: momentum 0.9, weight decay 1e-4 on everything, norm at most 0.05.
    fn default() -> Self {
        Self { momentum: 0.9, weight_decay: 1e-4, decay_noise: true, clip: Some(0.05) }
    }
}

impl Sgd {
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(TrainingError::setting("momentum", self.momentum, "a number in [0, 1)"));
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

    /// Burn's optimizer with these settings.
    pub fn build(&self) -> ModuleOptimizer {
        let config = |weight_decay: f64| {
            let momentum = (self.momentum > 0.0).then(|| {
                // Burn dampens by 0.1 unless told otherwise, PyTorch does not.
                MomentumConfig::new()
                    .with_momentum(self.momentum)
                    .with_dampening(0.0)
                    .with_nesterov(true)
            });
            let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
            SgdConfig::new().with_momentum(momentum).with_weight_decay(decay)
        };
        let optimizer = config(self.weight_decay).init();
        if self.decay_noise {
            return optimizer;
        }
        optimizer.with_group(ParamGroup::from_predicate(".noise."), config(0.0).build(), None)
    }
}

/// The gradients scaled so that their norm over all parameters together is at most `max`, and that norm before: PyTorch's
/// `clip_grad_norm_`. Burn's own clipping takes the norm of each parameter alone.
///
/// Without `max` the gradients stay as they are. A gradient that is not finite gives a norm that is not finite.
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
    use serde_json::Value;

    #[derive(Module, Debug)]
    struct Pair {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    #[derive(Module, Debug)]
    struct Noisy {
        weight: Param<Tensor<1>>,
        noise: Noise,
    }

    #[derive(Module, Debug)]
    struct Noise {
        alpha: Param<Tensor<1>>,
    }

    fn list(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    /// `clip_grad_norm_` on gradients above and below the norm; `tests/reference/optim.py` made the values.
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
    fn weight_decay_can_leave_noise_alone() {
        let ones = || Param::from_tensor(Tensor::<1>::ones([2], &Device::flex()).autodiff());
        for decay_noise in [true, false] {
            let model = Layer { layer: Noisy { weight: ones(), noise: Noise { alpha: ones() } } };
            let sgd = Sgd { momentum: 0.0, weight_decay: 0.5, decay_noise, clip: None };
            let (weight, alpha) = (model.layer.weight.val(), model.layer.noise.alpha.val());
            let loss = (weight * alpha).sum().mul_scalar(0.0);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let model = sgd.build().step(1.0, model, gradients);
            let first = |param: &Param<Tensor<1>>| param.val().try_to_vec_as::<f32>().unwrap()[0];
            assert_eq!(first(&model.layer.weight), 0.5);
            assert_eq!(first(&model.layer.noise.alpha), if decay_noise { 0.5 } else { 1.0 });
        }
    }

    #[derive(Module, Debug)]
    struct Layer {
        layer: Noisy,
    }
}
