//! What noise a module has learned.

use crate::LearnedNoise;
use crate::spec::Spec;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use cni_noise::law::standard_deviation;
use cni_noise::{CovarianceError, NoiseCovariance, Parameters};

/// The learned amplitude of each noisy weight and activation: its path, and
/// [`Parameters::amplitude`], which is free of the tensor's standard deviation.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_layers::{Granularity, WeightNoise, noise_amplitudes};
/// let model = LinearConfig::new(8, 4).init(&Device::flex());
/// let model = WeightNoise::white(Granularity::Channel).inject(model);
/// assert_eq!(noise_amplitudes(&model), [("weight".to_string(), 0.25)]); // PNI's initial α
/// ```
pub fn noise_amplitudes<M: Module>(model: &M) -> Vec<(String, f64)> {
    let amplitude = |noise: Noisy| (noise.path.clone(), noise.parameters().amplitude());
    Noisy::of(model).into_iter().map(amplitude).collect()
}

/// The covariance of each noisy weight and activation, in the order of the module's parameters.
///
/// For every weight with [`WeightNoise`](crate::WeightNoise) and every
/// [`ActivationNoise`](crate::ActivationNoise), whatever the type of the module. The noise of an
/// activation is that for an input of standard deviation 1. Channels are those of the noise: axis 1
/// of a linear layer's weight `[in, out]`, axis 0 of a convolution's `[out, in, kernel..]`.
///
/// # Errors
///
/// [`CovarianceError`] if a noisy weight or its noise has a number that is not finite, or the
/// device fails.
pub fn noise_covariances<M: Module>(model: &M) -> Result<Vec<NoiseCovariance>, CovarianceError> {
    Noisy::of(model).into_iter().map(Noisy::covariance).collect()
}

/// A noisy weight or activation.
struct Noisy {
    path: String,
    spec: Spec,
    alpha: Option<Tensor<1>>,
    diagonal: Option<Tensor<1>>,
    factor: Option<Tensor<2>>,
    /// Computes the standard deviation of the weight.
    std: Option<Box<dyn Fn() -> f64>>,
}

impl Noisy {
    fn of<M: Module>(model: &M) -> Vec<Self> {
        let mut walk = Walk::default();
        model.visit(&mut walk);
        walk.noisy
    }

    fn parameters(&self) -> Parameters {
        let [alpha, diagonal] = [&self.alpha, &self.diagonal].map(Option::clone);
        self.spec.parameters(alpha, diagonal, self.factor.clone(), &self.spec.shape)
    }

    fn covariance(self) -> Result<NoiseCovariance, CovarianceError> {
        let (parameters, std) = (self.parameters(), self.std.map(|std| std()));
        let Spec { law, shape, channel_axis, .. } = self.spec;
        NoiseCovariance::new(self.path, law.to_string(), &parameters, &shape, channel_axis, std)
    }
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    /// Whether the parameter at hand is one of noise.
    inside_noise: bool,
    /// The last parameter that is not of noise: its path and its standard deviation. Noise follows
    /// its weight.
    last: Option<(String, Box<dyn Fn() -> f64>)>,
    noisy: Vec<Noisy>,
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container: &str) {
        if let Some(spec) = Spec::heard(name, container) {
            let path = Spec::owner(&self.path);
            let std = self.last.take().filter(|(weight, _)| *weight == path).map(|(_, std)| std);
            let (alpha, diagonal, factor) = (None, None, None);
            self.noisy.push(Noisy { path, spec, alpha, diagonal, factor, std });
        }
        self.path.push(name.to_string());
        self.inside_noise = container == LearnedNoise::CONTAINER;
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.inside_noise {
            let param = param.clone();
            let std = move || standard_deviation(param.base().inner()).into_scalar();
            self.last = Some((self.path.join("."), Box::new(std)));
            return;
        }
        let Some(noisy) = self.noisy.last_mut() else {
            return;
        };
        let (value, n) = (param.base().inner(), param.lazy_shape().num_elements());
        match self.path.last().map_or("", String::as_str) {
            "alpha" => noisy.alpha = Some(value.reshape([n])),
            "diagonal" => noisy.diagonal = Some(value.reshape([n])),
            _ => {
                let rank = param.lazy_shape()[D - 1];
                noisy.factor = Some(value.reshape([n / rank, rank]));
            }
        }
    }
}
