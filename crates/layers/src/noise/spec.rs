//! The metadata of a [`LearnedNoise`](crate::LearnedNoise).

use burn::module::ModuleVisitor;
use cni_noise::laws::{NoiseKind, NoiseScale, TensorShape};
use serde::Serialize;
use std::cell::RefCell;

/// All of a [`LearnedNoise`](crate::LearnedNoise) but its parameters and its name.
///
/// Burn's visitors expose parameters and the names of modules, nothing else, and no parameter with
/// its noise. So that one can tell what noise the parameters are of, the noise reports its metadata
/// as the name of a module without parameters: its own JSON. The visitors of this crate take the
/// metadata themselves, since a custom law cannot be read from JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Spec {
    pub law: NoiseKind,
    pub scale: NoiseScale,
    /// The shape of the weight, or of one example of the activation.
    #[serde(flatten)]
    pub shape: TensorShape,
}

thread_local! {
    /// The metadata that a visitor of this thread hears at the moment.
    static ANNOUNCED: RefCell<Option<Spec>> = const { RefCell::new(None) };
}

impl Spec {
    pub const CONTAINER: &'static str = "cni_layers::Spec";
    /// The container by which visitors hear which vectors are amplitudes, each by its name.
    pub const AMPLITUDE: &'static str = "cni_layers::Amplitude";
    /// The container by which visitors hear of noise that one standard deviation over a whole batch
    /// scales, so that an example's noise depends on the others.
    pub const BATCH_STD: &'static str = "cni_layers::BatchStd";
    /// The name of the metadata within the noise.
    pub const FIELD: &'static str = "spec";

    /// Reports the metadata to a visitor.
    pub fn announce<V: ModuleVisitor>(&self, visitor: &mut V) {
        let json = serde_json::to_string(self).expect("the metadata are plain data");
        // A visitor may itself visit another module.
        let outer = ANNOUNCED.replace(Some(self.clone()));
        visitor.enter_module(&json, Self::CONTAINER);
        ANNOUNCED.set(outer);
        visitor.exit_module(&json, Self::CONTAINER);
    }

    /// The metadata that a visitor hears by entering a module of this container, if it hears some.
    pub fn heard(container: &str) -> Option<Self> {
        if container == Self::CONTAINER { ANNOUNCED.with_borrow(Clone::clone) } else { None }
    }

    /// The path of the noisy tensor, from the path at which a visitor hears the specification: that
    /// ends in the fields `noise` and `spec`.
    pub fn owner(path: &[String]) -> String {
        path[..path.len().saturating_sub(2)].join(".")
    }
}
