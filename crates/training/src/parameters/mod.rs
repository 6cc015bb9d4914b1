//! The parameters of a model by path, and one flat tensor for each of them.

mod groups;
mod in_training;
mod noise;
mod values;

pub(crate) use cni_attacks::weights::{MapFloat, VisitFloat, has_noise, map_floats, visit_floats};
pub use groups::parameter_ids;
pub(crate) use groups::{
    AMPLITUDE_GROUP, Groups, NOISE_GROUP, VECTOR_GROUP, WEIGHT_GROUP, check_group_name,
};
pub(crate) use in_training::{MIXING, layer_in_training};
pub(crate) use noise::noise_of_batches;
pub use values::ParameterValues;
pub(crate) use values::{check_kept, squared_norm};

/// A trainable parameter of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The path of fields that leads to it from the model, such as `layer1.0.conv1.weight`.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The names of the groups that it is in.
    pub groups: Vec<String>,
}

impl Parameter {
    /// True if it is in the group of that name.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|name| name == group)
    }
}
