//! Parameters of a module: the one walk that knows their paths, ids and roles.

#[cfg(any(feature = "band-limited", feature = "binary"))]
mod announced;
mod visit;

#[cfg(any(feature = "band-limited", feature = "binary"))]
pub(crate) use announced::announced;
pub(crate) use visit::{AtPlace, map_parameters};
#[cfg(feature = "binary")]
pub(crate) use visit::{VisitParameter, visit_parameters};

use crate::NoiseError;
use crate::models::Normalize;
use crate::noise::{LearnedNoise, Spec};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::{Bool, Int, Tensor};

/// The role of a parameter in its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterRole {
    /// A parameter of the module itself, such as a weight or a bias.
    Model,
    /// A parameter of learned noise.
    Noise,
    /// A running statistic, such as those of batch normalization: it follows the data, and no
    /// optimizer changes it.
    ///
    /// Burn's visitors do not tell it from a parameter, so the name of its field decides: it
    /// begins with `running_`, as in Burn's own layers and in PyTorch's.
    RunningStatistic,
    /// A constant of [`Normalize`].
    Constant,
}

/// A floating-point parameter of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The path in the module and in its records, such as `conv.weight.noise.alpha`.
    pub path: String,
    /// The id, which clones and records of the module keep.
    pub id: ParamId,
    /// The role.
    pub role: ParameterRole,
    /// The shape.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The path of the noisy tensor and the name of the field, if it is a parameter of noise, whose
    /// path is `TENSOR.noise.FIELD`, or `noise.FIELD` in a layer of noise itself.
    pub(crate) fn of_noise(&self) -> Option<(&str, &str)> {
        if self.role != ParameterRole::Noise {
            return None;
        }
        let (noise, field) = self.path.rsplit_once('.')?;
        Some((noise.rsplit_once('.').map_or("", |(owner, _)| owner), field))
    }
}

/// Lists the floating-point parameters of a module, in the order of the module.
///
/// Parameters that Burn has not drawn yet stay so.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_layers::{ParameterRole, WeightNoise, parameters};
/// let model = WeightNoise::colored(0).inject(LinearConfig::new(8, 4).init(&Device::flex()));
/// let found: Vec<_> = parameters(&model).into_iter().map(|p| (p.path, p.role)).collect();
/// let wanted = [
///     ("weight", ParameterRole::Model),
///     ("weight.noise.diagonal", ParameterRole::Noise),
///     ("bias", ParameterRole::Model),
/// ];
/// assert_eq!(found, wanted.map(|(path, role)| (path.to_string(), role)));
/// ```
pub fn parameters<M: Module>(model: &M) -> Vec<Parameter> {
    Found::of(model).parameters
}

/// The parameters of noise, as a group for what treats them apart, such as weight decay.
///
/// The group holds the parameters' ids, so that it serves this model, its clones and what a trainer
/// makes of it, whatever paths they get there.
pub fn noise_parameters<M: Module>(model: &M) -> ParamGroup {
    let noise = parameters(model).into_iter().filter(|found| found.role == ParameterRole::Noise);
    ParamGroup::from_ids(noise.map(|found| found.id).collect())
}

/// The number of learnable parameters, those of noise included.
///
/// Unlike Burn's `num_params` it leaves out the running statistics of batch normalization, as
/// PyTorch does, and the constants of [`Normalize`].
pub fn count_parameters<M: Module>(model: &M) -> usize {
    let learnable =
        |found: &&Parameter| matches!(found.role, ParameterRole::Model | ParameterRole::Noise);
    parameters(model).iter().filter(learnable).map(Parameter::elements).sum()
}

/// The container by which visitors hear of a band of frequencies that is drawn anew at every use,
/// by its text: a layer without parameters that makes a model stochastic.
pub(crate) const RANDOM_BAND: &str = "cni_layers::RandomBand";

/// The container by which visitors hear of a weight whose signs alone are read, by the largest size
/// of a value that has a gradient.
#[cfg(feature = "binary")]
pub(crate) const BINARIZED: &str = "cni_layers::Binarized";

/// All that a walk over a module finds.
#[derive(Default)]
pub(crate) struct Found {
    pub parameters: Vec<Parameter>,
    /// The learned noise: the path of the noisy tensor, its specification, and how many parameters
    /// it has.
    pub noise: Vec<(String, Spec, usize)>,
    /// The bands that are drawn: the path of the layer, and the band.
    pub bands: Vec<(String, String)>,
    /// The weights whose signs alone are read: their path, and the largest size of a value that has
    /// a gradient, if there is one.
    #[cfg(feature = "binary")]
    pub signs: Vec<(String, Option<f64>)>,
    /// The parameters that are no floating-point numbers: their path, and what they are.
    pub others: Vec<(String, &'static str)>,
    /// The paths of reparameterized parameters, and the name of the reparameterization.
    pub reparameterized: Vec<(String, String)>,
}

impl Found {
    pub fn of<M: Module>(model: &M) -> Self {
        let mut walk = Walk::default();
        model.visit(&mut walk);
        walk.found
    }

    /// The weights that a group selects, by default those named `weight` of rank 2 or more.
    /// Parameters of noise, running statistics and the constants of a normalization are no weights,
    /// whatever a group says.
    pub fn selected(&self, group: Option<&ParamGroup>) -> Result<Vec<&Parameter>, NoiseError> {
        let selects = |Parameter { path, id, shape, .. }: &&Parameter| match group {
            Some(group) => group.matches(id, Some(path)),
            None => shape.len() >= 2 && path.rsplit('.').next() == Some("weight"),
        };
        let model = |found: &&Parameter| found.role == ParameterRole::Model;
        let candidates = self.parameters.iter().filter(model);
        let selected: Vec<&Parameter> = candidates.clone().filter(selects).collect();
        if selected.is_empty() {
            let candidates = candidates.map(|parameter| parameter.path.clone()).collect();
            return Err(NoiseError::NothingSelected { candidates });
        }
        Ok(selected)
    }
}

#[derive(Default)]
struct Walk {
    place: Place,
    found: Found,
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container: &str) {
        if let Some(spec) = Spec::heard(container) {
            self.found.noise.push((Spec::owner(&self.place.names), spec, 0));
        }
        if container == RANDOM_BAND {
            self.found.bands.push((self.place.path(), name.to_string()));
        }
        #[cfg(feature = "binary")]
        if container == BINARIZED {
            // Behind the name of the reparameterization.
            let owner = self.place.names.split_last().map_or(&[][..], |(_, owner)| owner);
            self.found.signs.push((owner.join("."), name.parse().ok()));
        }
        if container == "Reparameterization" {
            self.found.reparameterized.push((self.place.path(), name.to_string()));
        }
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (path, role) = (self.place.path(), self.place.role());
        let shape = param.lazy_shape().to_vec();
        let parameter = Parameter { path, id: param.id, role, shape };
        if let (ParameterRole::Noise, Some(noise)) = (role, self.found.noise.last_mut()) {
            noise.2 += parameter.elements();
        }
        self.found.parameters.push(parameter);
    }

    fn visit_int<const D: usize>(&mut self, _param: &Param<Tensor<D, Int>>) {
        self.found.others.push((self.place.path(), "whole numbers"));
    }

    fn visit_bool<const D: usize>(&mut self, _param: &Param<Tensor<D, Bool>>) {
        self.found.others.push((self.place.path(), "truth values"));
    }
}

/// The place of a walk within a module.
#[derive(Default)]
pub(crate) struct Place {
    names: Vec<String>,
    /// The container that was entered last, which is that of the parameter at hand.
    container: String,
}

impl Place {
    fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_string());
        self.container = container.to_string();
    }

    fn exit(&mut self) {
        self.names.pop();
    }

    /// The path of the parameter at hand.
    pub fn path(&self) -> String {
        self.names.join(".")
    }

    /// The name of the field of the parameter at hand.
    pub fn field(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Burn's name of the module that has the parameter at hand, such as `Struct:Linear`.
    pub fn container(&self) -> &str {
        &self.container
    }

    fn role(&self) -> ParameterRole {
        match self.container() {
            LearnedNoise::CONTAINER => ParameterRole::Noise,
            Normalize::CONTAINER => ParameterRole::Constant,
            _ if self.field().starts_with("running_") => ParameterRole::RunningStatistic,
            _ => ParameterRole::Model,
        }
    }
}
