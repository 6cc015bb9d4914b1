//! One flat tensor for each parameter of a model: gradients, weights, averages.

use super::{Groups, Parameter, VisitFloat, visit_floats};
use crate::StepError;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use cni_attacks::weights::{flat, with_weights};
use std::collections::BTreeMap;

/// A flat tensor `[n]` for each parameter of a model, in the order of the model's fields.
///
/// Gradients and weights have this form in rules, so that a rule is written once for parameters of
/// every rank. [`Parameter::shape`] tells the shape that a value has in the model.
#[derive(Clone, Debug, Default)]
pub struct ParameterValues {
    entries: Vec<(Parameter, Tensor<1>)>,
}

impl ParameterValues {
    /// The parameters with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&Parameter, &Tensor<1>)> {
        self.entries.iter().map(|(parameter, value)| (parameter, value))
    }

    /// The value of the parameter at a path.
    pub fn get(&self, path: &str) -> Option<&Tensor<1>> {
        self.iter().find_map(|(parameter, value)| (parameter.path == path).then_some(value))
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Replaces each value by a function of it, of the same length.
    pub fn map(self, mut function: impl FnMut(&Parameter, Tensor<1>) -> Tensor<1>) -> Self {
        let map = |(parameter, value)| {
            let value = function(&parameter, value);
            (parameter, value)
        };
        Self { entries: self.entries.into_iter().map(map).collect() }
    }

    /// Keeps the parameters for which `keep` is true.
    pub fn filter(mut self, mut keep: impl FnMut(&Parameter) -> bool) -> Self {
        self.entries.retain(|(parameter, _)| keep(parameter));
        self
    }

    /// The Euclidean norm over all values together, `[1]`; `None` without a parameter.
    pub fn norm(&self) -> Option<Tensor<1>> {
        self.iter()
            .map(|(_, value)| (value.clone() * value.clone()).sum())
            .reduce(|sum, square| sum + square)
            .map(Tensor::sqrt)
    }
}

impl ParameterValues {
    /// The sum of both, parameter by parameter. One that either lacks counts as zero there.
    pub(crate) fn sum(self, other: Self) -> Self {
        let mut others: BTreeMap<String, _> =
            other.entries.into_iter().map(|entry| (entry.0.path.clone(), entry)).collect();
        let add = |(parameter, value): (Parameter, Tensor<1>)| match others.remove(&parameter.path)
        {
            Some((_, other)) => (parameter, value + other),
            None => (parameter, value),
        };
        let mut entries: Vec<_> = self.entries.into_iter().map(add).collect();
        entries.extend(others.into_values());
        Self { entries }
    }

    /// Takes the gradients of a module's parameters out of `gradients`.
    pub(crate) fn of_gradients<M: Module>(
        module: &M,
        gradients: &mut GradientsParams,
        groups: &Groups,
    ) -> Self {
        struct Take<'a> {
            gradients: &'a mut GradientsParams,
            groups: &'a Groups,
            entries: Vec<(Parameter, Tensor<1>)>,
        }
        impl VisitFloat for Take<'_> {
            fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
                if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                    let parameter = self.groups.parameter(path, &gradient.dims());
                    self.entries.push((parameter, flat(gradient)));
                }
            }
        }
        let mut take = Take { gradients, groups, entries: Vec::new() };
        visit_floats(module, &mut take);
        Self { entries: take.entries }
    }

    /// The path and the first such value of an entry that is NaN or infinite somewhere. One number
    /// is read back from the device, unless there is something to report.
    pub(crate) fn not_finite(&self) -> Option<(&str, f64)> {
        let zeros = self.entries.iter().map(|(_, value)| value.clone().mul_scalar(0.0).sum());
        let zero = zeros.reduce(|sum, zero| sum + zero)?;
        if zero.into_scalar::<f64>() == 0.0 {
            return None;
        }
        self.entries.iter().find_map(|(parameter, value)| {
            let data = value.clone().into_data().convert::<f64>();
            let value = data.iter::<f64>().find(|value| !value.is_finite())?;
            Some((parameter.path.as_str(), value))
        })
    }

    /// Adds these gradients of a module's parameters to `gradients`.
    pub(crate) fn into_gradients<M: Module>(self, module: &M, gradients: &mut GradientsParams) {
        struct Register<'a> {
            values: ParameterValues,
            gradients: &'a mut GradientsParams,
        }
        impl VisitFloat for Register<'_> {
            fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
                if let Some(value) = self.values.get(path) {
                    let shape: [usize; D] = param.lazy_shape().dims();
                    self.gradients.register(param.id, value.clone().reshape(shape));
                }
            }
        }
        visit_floats(module, &mut Register { values: self, gradients });
    }

    /// The weights of a module's trainable parameters, before any noise.
    pub(crate) fn of_weights<M: Module>(module: &M, groups: &Groups) -> Self {
        struct Read<'a> {
            groups: &'a Groups,
            entries: Vec<(Parameter, Tensor<1>)>,
        }
        impl VisitFloat for Read<'_> {
            fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    let value = param.base();
                    let parameter = self.groups.parameter(path, &value.dims());
                    self.entries.push((parameter, flat(value.inner())));
                }
            }
        }
        let mut read = Read { groups, entries: Vec::new() };
        visit_floats(module, &mut read);
        Self { entries: read.entries }
    }

    /// The module with these weights. Parameters without one stay as they are.
    pub(crate) fn into_weights<M: Module>(self, module: M) -> M {
        with_weights(module, |path| self.get(path).cloned())
    }
}

/// The sum of the squares of the gradients of a module's parameters; `None` without a gradient.
pub(crate) fn squared_norm<M: Module>(
    module: &M,
    gradients: &GradientsParams,
) -> Option<Tensor<1>> {
    struct SquaredNorm<'a> {
        gradients: &'a GradientsParams,
        sum: Option<Tensor<1>>,
    }
    impl VisitFloat for SquaredNorm<'_> {
        fn visit<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                let square = (gradient.clone() * gradient).sum();
                self.sum = Some(match self.sum.take() {
                    Some(sum) => sum + square,
                    None => square,
                });
            }
        }
    }
    let mut sum = SquaredNorm { gradients, sum: None };
    visit_floats(module, &mut sum);
    sum.sum
}

/// Refuses values of a rule that lack a parameter it was given, or have another length than its.
///
/// `given` are the parameters the rule was given, `what` is a noun such as `gradient`.
pub(crate) fn check_kept(
    of: &str,
    what: &str,
    given: &[Parameter],
    values: &ParameterValues,
) -> Result<(), StepError> {
    for (parameter, value) in values.iter() {
        let wanted = parameter.shape.iter().product::<usize>();
        let [got] = value.dims();
        if got != wanted {
            let what = format!("{what} of {}", parameter.path);
            let wanted = format!("the {wanted} of its shape {:?}", parameter.shape);
            return Err(StepError::contract(of, what, format!("{got} values"), wanted));
        }
    }
    let has = |wanted: &&Parameter| values.iter().all(|(parameter, _)| parameter != *wanted);
    if let Some(missing) = given.iter().find(has) {
        let what = format!("{what} of {}", missing.path);
        return Err(StepError::contract(of, what, "none", "one for each parameter it was given"));
    }
    Ok(())
}
