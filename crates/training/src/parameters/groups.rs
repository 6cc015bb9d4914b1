//! Named groups of parameters.

use super::{Parameter, VisitFloat, visit_floats};
use crate::TrainingError;
use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use cni_attacks::weights::layers;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The group of the parameters of every `LearnedNoise` of `cni-layers`.
pub(crate) const NOISE_GROUP: &str = "noise";

/// The group of the parameters of one axis: biases, and scales and shifts of norms.
const VECTOR_GROUP: &str = "vectors";

/// The groups that every model has.
const BUILT_IN_GROUPS: [&str; 2] = [NOISE_GROUP, VECTOR_GROUP];

/// The paths of the parameters in each group.
///
/// Paths and not ids, because a checkpoint brings the ids of its own run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(BTreeMap<String, BTreeSet<String>>);

impl Groups {
    /// The groups that every model has.
    pub fn of<M: Module>(model: &M) -> Self {
        let noise = noise_parameters(model).into_iter().collect();
        let vectors = parameter_paths(model, |rank| rank <= 1).into_iter().collect();
        Self(BTreeMap::from([(NOISE_GROUP.into(), noise), (VECTOR_GROUP.into(), vectors)]))
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
        true => Err(TrainingError::setting("group", name, "a name other than noise and vectors")),
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
fn parameter_paths<M: Module>(model: &M, rank: impl Fn(usize) -> bool) -> Vec<String> {
    struct Collect<F>(F, Vec<String>);
    impl<F: Fn(usize) -> bool> VisitFloat for Collect<F> {
        fn visit<const D: usize>(&mut self, path: &str, _param: &Param<Tensor<D>>) {
            if (self.0)(D) {
                self.1.push(path.to_string());
            }
        }
    }
    let mut collect = Collect(rank, Vec::new());
    visit_floats(model, &mut collect);
    collect.1
}

/// The paths of the parameters of every `LearnedNoise` in a model.
pub(crate) fn noise_parameters<M: Module>(model: &M) -> Vec<String> {
    let noise = layers(model).into_iter().filter(|layer| layer.is_noise);
    noise.map(|layer| layer.path).collect()
}
