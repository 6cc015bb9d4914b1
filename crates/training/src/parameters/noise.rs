//! The parameters of learned noise in a model.

use burn::module::{Module, ModuleVisitor};
use cni_attacks::weights::layers;
use std::collections::BTreeSet;

/// The container by which a `LearnedNoise` of `cni-layers` tells visitors which of its vectors are
/// amplitudes, each by its name.
const AMPLITUDE: &str = "cni_layers::Amplitude";

/// The container by which a `LearnedNoise` tells visitors that one standard deviation over a whole
/// batch scales it.
const BATCH_STD: &str = "cni_layers::BatchStd";

/// The path of the first layer of noise that one standard deviation over a whole batch scales, so
/// that an example's noise depends on the others.
pub(crate) fn noise_of_batches<M: Module>(model: &M) -> Option<String> {
    #[derive(Default)]
    struct Walk {
        path: Vec<String>,
        found: Option<String>,
    }
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, container: &str) {
            if container == BATCH_STD && self.found.is_none() {
                // The path here ends in the fields of the noise and of what it tells.
                let layer = self.path.len().saturating_sub(2);
                self.found = Some(self.path[..layer].join("."));
            }
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
    }
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.found
}

/// The paths of the parameters of every `LearnedNoise` in a model.
#[derive(Default)]
pub(crate) struct NoisePaths {
    /// All of them.
    pub all: BTreeSet<String>,
    /// Those that the size of the noise grows with.
    pub amplitudes: BTreeSet<String>,
}

impl NoisePaths {
    /// The paths in this model.
    pub fn of<M: Module>(model: &M) -> Self {
        let noise = layers(model).into_iter().filter(|layer| layer.is_noise);
        let mut walk = Walk::default();
        model.visit(&mut walk);
        Self { all: noise.map(|layer| layer.path).collect(), amplitudes: walk.amplitudes }
    }
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    amplitudes: BTreeSet<String>,
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container: &str) {
        // The path at an amplitude ends in the field that holds it.
        if container == AMPLITUDE {
            let parent = &self.path[..self.path.len().saturating_sub(1)];
            self.amplitudes.insert([parent, &[name.to_string()]].concat().join("."));
        }
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
