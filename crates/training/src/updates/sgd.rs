//! Stochastic gradient descent as PyTorch does it.

use super::group::paths;
use crate::TrainingError;
use crate::parameters::{Groups, NOISE_GROUP, VECTOR_GROUP};
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent: `torch.optim.SGD`.
///
/// The default is plain: no momentum and no weight decay. [`cni`](Self::cni) has the settings of
/// CNI's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// True, the default, if weight decay reaches the other parameters of one axis, biases and the
    /// scales and shifts of norms. With `false` and no `decay_noise` it reaches the weights of
    /// convolutions and linear layers alone.
    // Left out where it is the default: files of before do not have it.
    #[serde(skip_serializing_if = "is_true")]
    pub decay_vectors: bool,
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            decay_noise: false,
            decay_vectors: true,
        }
    }
}

impl Sgd {
    /// CNI's: Nesterov momentum 0.9, weight decay 1e-4 on everything.
    pub fn cni() -> Self {
        let (momentum, weight_decay) = (0.9, 1e-4);
        Self { momentum, nesterov: true, weight_decay, decay_noise: true, ..Self::default() }
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

    /// Burn's optimizer with these settings, for a custom loop. `decay_noise` and `decay_vectors`
    /// are about the parameters of `model`.
    pub fn build<M: Module>(&self, model: &M) -> ModuleOptimizer {
        self.init(&Groups::of(model), "")
    }

    /// The same for a model with these groups, which `prefix` leads to.
    pub(super) fn init(&self, groups: &Groups, prefix: &str) -> ModuleOptimizer {
        let optimizer = self.config(self.weight_decay).init();
        let noise = paths(groups, NOISE_GROUP, prefix);
        let mut spared = if self.decay_noise { Vec::new() } else { noise.clone() };
        if !self.decay_vectors {
            let vectors = paths(groups, VECTOR_GROUP, prefix).into_iter();
            spared.extend(vectors.filter(|path| !noise.contains(path)));
        }
        if spared.is_empty() {
            return optimizer;
        }
        optimizer.with_group(ParamGroup::from_paths(spared), self.config(0.0).build(), None)
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
    use burn::module::{Initializer, Param};
    use burn::nn::{Linear, LinearConfig};
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

    #[derive(Module, Debug)]
    struct Layer {
        linear: Linear,
        learned: LearnedNoise,
    }

    #[test]
    fn weight_decay_reaches_weights_alone_where_asked() {
        let device = Device::flex().autodiff();
        let noise = ActivationNoiseConfig::white(Granularity::Layer).with_features([2]);
        let layer = || Layer {
            linear: LinearConfig::new(2, 2)
                .with_initializer(Initializer::Constant { value: 1.0 })
                .init(&device),
            learned: noise.init(&device).noise,
        };
        let text = r#"{ "weight_decay": 0.5, "decay_vectors": false }"#;
        let settings: Sgd = serde_json::from_str(text).unwrap();
        for (sgd, bias) in [(settings, 1.0), (Sgd { weight_decay: 0.5, ..Sgd::default() }, 0.5)] {
            let layer = layer();
            let alpha = first(layer.learned.vector("alpha").unwrap());
            let [weight, shift] = [layer.linear.weight.val().sum(), layer.bias().val().sum()];
            let zero = (weight + shift + layer.learned.vector("alpha").unwrap().val().sum())
                .mul_scalar(0.0);
            let gradients = GradientsParams::from_grads(zero.backward(), &layer);
            let layer = sgd.build(&layer).step(1.0, layer, gradients);
            let weight: f32 = layer.linear.weight.val().max().into_scalar();
            assert_eq!((weight, first(layer.bias())), (0.5, bias));
            assert_eq!(first(layer.learned.vector("alpha").unwrap()), alpha);
        }
        let default = serde_json::to_value(Sgd::default()).unwrap();
        assert!(default.get("decay_vectors").is_none());
        assert!(serde_json::from_value::<Sgd>(default).unwrap().decay_vectors);
    }

    impl Layer {
        fn bias(&self) -> &Param<Tensor<1>> {
            self.linear.bias.as_ref().unwrap()
        }
    }
}
