//! The noise that a module has learned.

use super::{LearnedNoise, Spec};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use cni_noise::laws::{CovarianceFault, NoiseParameters, TensorNoise, standard_deviation};

/// The learned amplitude of each noisy weight and activation: its path, and
/// [`TensorNoise::amplitude`], which is free of the tensor's standard deviation.
///
/// # Panics
///
/// If the device fails.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_layers::{Granularity, WeightNoise, noise_amplitudes};
/// let model = LinearConfig::new(8, 4).init(&Device::flex());
/// let model = WeightNoise::white(Granularity::Channel).inject(model);
/// assert_eq!(noise_amplitudes(&model), [("weight".to_string(), 0.25)]); // PNI's initial α
/// ```
pub fn noise_amplitudes<M: Module>(model: &M) -> Vec<(String, f64)> {
    let amplitude = |noise: Noisy| {
        let read = noise.parameters().read().unwrap_or_else(|reason| panic!("{reason}"));
        (noise.path, noise.spec.law.amplitude(&read))
    };
    Noisy::of(model).into_iter().map(amplitude).collect()
}

/// The path and the learned noise of each noisy weight and activation, in the order of the module's
/// parameters.
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
pub fn noise_covariances<M: Module>(
    model: &M,
) -> Result<Vec<(String, TensorNoise)>, CovarianceError> {
    Noisy::of(model).into_iter().map(Noisy::covariance).collect()
}

/// The noise of a tensor that has no covariance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct CovarianceError {
    /// The path of the noisy tensor.
    pub path: String,
    /// The reason.
    pub fault: CovarianceFault,
}

/// Reads a tensor on the host.
type Read = Box<dyn Fn() -> Result<(f64, Vec<f64>), String>>;

/// A noisy weight or activation.
struct Noisy {
    path: String,
    spec: Spec,
    vectors: Vec<Tensor<1>>,
    factor: Option<Tensor<2>>,
    /// Gives the standard deviation and the elements of the weight.
    weight: Option<Read>,
}

impl Noisy {
    fn of<M: Module>(model: &M) -> Vec<Self> {
        let mut finder = Finder::default();
        model.visit(&mut finder);
        finder.noisy
    }

    fn parameters(&self) -> NoiseParameters {
        NoiseParameters {
            scale: self.spec.scale,
            shape: self.spec.shape.clone(),
            vectors: self.vectors.clone(),
            factor: self.factor.clone(),
        }
    }

    fn covariance(self) -> Result<(String, TensorNoise), CovarianceError> {
        let parameters = self.parameters();
        let weight = self.weight.map(|weight| weight()).transpose();
        let noise = weight.map_err(CovarianceFault::Unreadable).and_then(|weight| {
            let (std, values) = weight.unzip();
            TensorNoise::new(&*self.spec.law, &parameters, std, values.as_deref())
        });
        match noise {
            Ok(noise) => Ok((self.path, noise)),
            Err(fault) => Err(CovarianceError { path: self.path, fault }),
        }
    }
}

/// Finds the noisy tensors of a module.
#[derive(Default)]
struct Finder {
    path: Vec<String>,
    /// True if the parameter at hand is one of noise.
    inside_noise: bool,
    /// The last parameter that is not of noise: its path and its values. Noise follows its weight.
    last: Option<(String, Read)>,
    noisy: Vec<Noisy>,
}

impl ModuleVisitor for Finder {
    fn enter_module(&mut self, name: &str, container: &str) {
        if let Some(spec) = Spec::heard(container) {
            let path = Spec::owner(&self.path);
            let weight = self.last.take().filter(|(weight, _)| *weight == path);
            let weight = weight.map(|(_, weight)| weight);
            self.noisy.push(Noisy { path, spec, vectors: Vec::new(), factor: None, weight });
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
            let read = move || {
                let weight = param.base().inner();
                let std = standard_deviation(weight.clone()).try_to_vec_as::<f64>();
                let values = weight.try_to_vec_as().map_err(|error| format!("{error:?}"))?;
                Ok((std.map_err(|error| format!("{error:?}"))?[0], values))
            };
            self.last = Some((self.path.join("."), Box::new(read)));
            return;
        }
        let Some(noisy) = self.noisy.last_mut() else {
            return;
        };
        // The metadata come first, then the vectors in the law's order, then the factor.
        let (value, shape) = (param.base().inner(), param.lazy_shape());
        match self.path.last().is_some_and(|name| name == LearnedNoise::FACTOR) {
            true => {
                let size = [shape.num_elements() / shape[D - 1], shape[D - 1]];
                noisy.factor = Some(value.reshape(size));
            }
            false => noisy.vectors.push(value.reshape([shape.num_elements()])),
        }
    }
}
