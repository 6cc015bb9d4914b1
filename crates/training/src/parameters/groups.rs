//! Named groups of parameters.

use super::noise::NoisePaths;
use super::{Parameter, VisitFloat, visit_floats};
use crate::TrainingError;
use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The group of the parameters of every `LearnedNoise` of `cni-layers`.
pub(crate) const NOISE_GROUP: &str = "noise";

/// The group of the parameters of noise that its size grows with: α of white noise, the diagonal of
/// colored noise, what the scale of multiplicative noise is above its floor.
pub(crate) const AMPLITUDE_GROUP: &str = "amplitudes";

/// The group of the parameters of one axis: biases, and scales and shifts of norms.
pub(crate) const VECTOR_GROUP: &str = "vectors";

/// The group of the parameters of two axes or more, those of noise left out: the weights of
/// convolutions and linear layers.
pub(crate) const WEIGHT_GROUP: &str = "weights";

/// The groups that every model has.
const BUILT_IN_GROUPS: [&str; 4] = [AMPLITUDE_GROUP, NOISE_GROUP, VECTOR_GROUP, WEIGHT_GROUP];

/// The paths of the parameters in each group.
///
/// Paths and not ids, because a checkpoint brings the ids of its own run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(BTreeMap<String, BTreeSet<String>>);

impl Groups {
    /// The groups that every model has.
    pub fn of<M: Module>(model: &M) -> Self {
        let NoisePaths { all: noise, amplitudes } = NoisePaths::of(model);
        let vectors = parameter_paths(model, |rank| rank <= 1);
        let weights = parameter_paths(model, |rank| rank > 1).difference(&noise).cloned().collect();
        let groups = [
            (AMPLITUDE_GROUP, amplitudes),
            (NOISE_GROUP, noise),
            (VECTOR_GROUP, vectors),
            (WEIGHT_GROUP, weights),
        ];
        Self(groups.into_iter().map(|(name, paths)| (name.to_string(), paths)).collect())
    }

    /// Adds a group of the parameters with these ids.
    ///
    /// # Errors
    ///
    /// An id that no parameter of the model has, and a group without a parameter.
    pub fn add<M: Module>(
        &mut self,
        model: &M,
        name: &str,
        ids: &[ParamId],
    ) -> Result<(), TrainingError> {
        struct Find(HashSet<ParamId>, BTreeSet<String>);
        impl VisitFloat for Find {
            fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
                if self.0.remove(&param.id) {
                    self.1.insert(path.to_string());
                }
            }
        }
        let mut find = Find(ids.iter().copied().collect(), BTreeSet::new());
        visit_floats(model, &mut find);
        let Find(unknown, found) = find;
        if found.is_empty() || !unknown.is_empty() {
            let got = format!(
                "{name} with {} parameters of the model and {} ids of none",
                found.len(),
                unknown.len()
            );
            return Err(TrainingError::setting("group", got, "ids of the model's parameters"));
        }
        self.0.insert(name.to_string(), found);
        Ok(())
    }

    /// The paths of a group.
    pub fn paths(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name)
    }

    /// The names of all groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A parameter with the groups that it is in.
    pub fn parameter(&self, path: &str, shape: &[usize]) -> Parameter {
        let within = self.0.iter().filter(|(_, paths)| paths.contains(path));
        let groups = within.map(|(name, _)| name.clone()).collect();
        Parameter { path: path.to_string(), shape: shape.to_vec(), groups }
    }
}

/// Refuses a custom group with the name of a built-in one.
pub(crate) fn check_group_name(name: &str) -> Result<(), TrainingError> {
    match BUILT_IN_GROUPS.contains(&name) {
        true => {
            let wanted = format!("a name other than {}", BUILT_IN_GROUPS.join(", "));
            Err(TrainingError::setting("group", name, wanted))
        }
        false => Ok(()),
    }
}

/// The ids of the parameters of a module, such as one field of a model.
pub fn parameter_ids<M: Module>(module: &M) -> Vec<ParamId> {
    struct Collect(Vec<ParamId>);
    impl VisitFloat for Collect {
        fn visit<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
            self.0.push(param.id);
        }
    }
    let mut collect = Collect(Vec::new());
    visit_floats(module, &mut collect);
    collect.0
}

/// The paths of the float parameters whose number of axes satisfies `rank`.
fn parameter_paths<M: Module>(model: &M, rank: impl Fn(usize) -> bool) -> BTreeSet<String> {
    struct Collect<F>(F, BTreeSet<String>);
    impl<F: Fn(usize) -> bool> VisitFloat for Collect<F> {
        fn visit<const D: usize>(&mut self, path: &str, _param: &Param<Tensor<D>>) {
            if (self.0)(D) {
                self.1.insert(path.to_string());
            }
        }
    }
    let mut collect = Collect(rank, BTreeSet::new());
    visit_floats(model, &mut collect);
    collect.1
}
