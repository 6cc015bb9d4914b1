//! What noise a module carries, and how many parameters it has.

use crate::LearnedNoise;
use crate::models::Normalize;
use crate::spec::Spec;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::Tensor;
use serde::Serialize;
use std::fmt;

/// One noisy weight or activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoiseEntry {
    /// The path of the weight, or of the activation noise layer.
    pub path: String,
    /// The law: `white`, or `colored` with its rank.
    pub law: String,
    /// Number of learned noise parameters.
    pub parameters: usize,
}

/// The noise of a module, listed by [`NoiseSummary::of`].
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_layers::{NoiseSummary, WeightNoise};
/// let model = WeightNoise::colored(2).inject(LinearConfig::new(8, 4).init(&Device::flex()));
/// let summary = NoiseSummary::of(&model);
/// assert_eq!(summary.entries()[0].parameters, 32 * (1 + 2));
/// println!("{summary}"); // weight: colored, rank 2, 96 parameters
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NoiseSummary(Vec<NoiseEntry>);

impl NoiseSummary {
    /// Lists the noise of a module, in the order of its parameters.
    pub fn of<M: Module>(model: &M) -> Self {
        let mut walk = Walk::default();
        model.visit(&mut walk);
        Self(walk.noise)
    }

    /// The noisy weights and activations.
    pub fn entries(&self) -> &[NoiseEntry] {
        &self.0
    }

    /// Number of learned noise parameters in all.
    pub fn parameters(&self) -> usize {
        self.0.iter().map(|entry| entry.parameters).sum()
    }
}

impl fmt::Display for NoiseSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no noise");
        }
        self.0.iter().enumerate().try_for_each(|(i, entry)| {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}: {}, {} parameters", entry.path, entry.law, entry.parameters)
        })
    }
}

/// The parameters of noise, as a group for what treats them apart, such as weight decay.
///
/// The group holds the parameters' ids, so that it serves this model, its clones and what a trainer
/// makes of it, whatever paths they get there.
pub fn noise_parameters<M: Module>(model: &M) -> ParamGroup {
    let mut walk = Walk::default();
    model.visit(&mut walk);
    ParamGroup::from_ids(walk.noise_ids)
}

/// The number of learnable parameters, those of noise included.
///
/// Unlike Burn's `num_params` it leaves out the running statistics of batch normalization, as
/// PyTorch does, and the constants of [`Normalize`](crate::models::Normalize).
pub fn count_parameters<M: Module>(model: &M) -> usize {
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.parameters
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    /// Whether the parameter at hand is one of noise.
    inside_noise: bool,
    /// Whether it is a constant of a normalization.
    constant: bool,
    noise: Vec<NoiseEntry>,
    noise_ids: Vec<ParamId>,
    parameters: usize,
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container: &str) {
        if let Some(spec) = Spec::heard(name, container) {
            let path = Spec::owner(&self.path);
            self.noise.push(NoiseEntry { path, law: spec.law.to_string(), parameters: 0 });
        }
        self.path.push(name.to_string());
        self.inside_noise = container == LearnedNoise::CONTAINER;
        self.constant = container == Normalize::CONTAINER;
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape();
        let field = self.path.last().map_or("", String::as_str);
        if self.constant || field == "running_mean" || field == "running_var" {
            return;
        }
        self.parameters += shape.num_elements();
        if let (true, Some(entry)) = (self.inside_noise, self.noise.last_mut()) {
            entry.parameters += shape.num_elements();
            self.noise_ids.push(param.id);
        }
    }
}
