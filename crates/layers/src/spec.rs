//! The metadata of a [`LearnedNoise`](crate::LearnedNoise).

use cni_noise::laws::{NoiseKind, NoiseScale, TensorShape};
use serde::{Deserialize, Serialize};

/// All of a [`LearnedNoise`](crate::LearnedNoise) but its parameters and its name.
///
/// Burn's visitors expose parameters and the names of modules, nothing else, and no parameter with
/// its noise. So that one can tell what noise the parameters are of, the noise reports its metadata
/// as the name of a module without parameters: its own JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub law: NoiseKind,
    pub scale: NoiseScale,
    /// The shape of the weight, or of one example of the activation.
    #[serde(flatten)]
    pub shape: TensorShape,
}

impl Spec {
    pub const CONTAINER: &'static str = "cni_layers::Spec";
    /// The name of the metadata within the noise.
    pub const FIELD: &'static str = "spec";

    /// The specification that a visitor hears by entering a module of this name and container, if
    /// it is one.
    pub fn heard(name: &str, container: &str) -> Option<Self> {
        if container == Self::CONTAINER { serde_json::from_str(name).ok() } else { None }
    }

    /// The path of the noisy tensor, from the path at which a visitor hears the specification: that
    /// ends in the fields `noise` and `spec`.
    pub fn owner(path: &[String]) -> String {
        path[..path.len().saturating_sub(2)].join(".")
    }
}
