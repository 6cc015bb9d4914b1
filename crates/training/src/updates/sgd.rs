//! Stochastic gradient descent as PyTorch does it.

use crate::TrainingError;
use crate::parameters::noise_parameters;
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent: `torch.optim.SGD`.
///
/// The default is plain: no momentum and no weight decay. [`cni`](Self::cni) has the settings of
/// CNI's code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Momentum in [0, 1); 0 for none.
    pub momentum: f64,
    /// The share of a gradient that momentum leaves out, in [0, 1]; 0 as PyTorch's default.
    pub dampening: f64,
    /// Nesterov's momentum in place of the classical. It needs momentum, and no dampening.
    pub nesterov: bool,
    /// Weight decay, added to the gradient as `weight_decay * parameter`.
    pub weight_decay: f64,
    /// True if weight decay reaches the parameters of noise too, those of a `LearnedNoise` of
    /// `cni-layers`. It does in CNI's code and does not in PNI's.
    pub decay_noise: bool,
}

impl Sgd {
    /// CNI's: Nesterov momentum 0.9, weight decay 1e-4 on everything.
    pub fn cni() -> Self {
        Self {
            momentum: 0.9,
            dampening: 0.0,
            nesterov: true,
            weight_decay: 1e-4,
            decay_noise: true,
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
        Ok(())
    }

    /// Burn's optimizer with these settings, for a custom loop. `decay_noise` is about the noise of
    /// `model`.
    pub fn build<M: Module>(&self, model: &M) -> ModuleOptimizer {
        self.init(noise_parameters(model))
    }

    /// The same for a model with noise parameters at these paths.
    pub(super) fn init(&self, noise: Vec<String>) -> ModuleOptimizer {
        let optimizer = self.config(self.weight_decay).init();
        if self.decay_noise || noise.is_empty() {
            return optimizer;
        }
        optimizer.with_group(ParamGroup::from_paths(noise), self.config(0.0).build(), None)
    }

    pub(super) fn config(&self, weight_decay: f64) -> SgdConfig {
        let momentum = (self.momentum > 0.0).then(|| {
            // Burn dampens by 0.1 unless told otherwise, PyTorch does not.
            MomentumConfig::new()
                .with_momentum(self.momentum)
                .with_dampening(self.dampening)
                .with_nesterov(self.nesterov)
        });
        let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
        SgdConfig::new().with_momentum(momentum).with_weight_decay(decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor};
    use cni_layers::{ActivationNoiseConfig, Granularity, LearnedNoise};

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

    #[test]
    fn weight_decay_leaves_learned_noise_alone_and_nothing_else() {
        let ones = || Param::from_tensor(Tensor::<1>::ones([2], &Device::flex()).autodiff());
        let learned = || {
            ActivationNoiseConfig::white(Granularity::Layer)
                .with_features([2])
                .init(&Device::flex().autodiff())
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
