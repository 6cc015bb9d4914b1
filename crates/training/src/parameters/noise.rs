//! The parameters of learned noise in a model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::BTreeSet;

/// The container by which a `LearnedNoise` tells visitors its specification.
const SPECIFICATION: &str = "cni_layers::Spec";

/// The container by which it tells them which of its vectors are amplitudes, each by its name.
const AMPLITUDE: &str = "cni_layers::Amplitude";

/// True if a model has a `LearnedNoise`, whatever its amplitudes are.
pub(crate) fn has_noise<M: Module>(model: &M) -> bool {
    struct Walk(bool);
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, _name: &str, container: &str) {
            self.0 |= container == SPECIFICATION;
        }
    }
    let mut walk = Walk(false);
    model.visit(&mut walk);
    walk.0
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
    ///
    /// The name of a field is no evidence, since a user's module may have a field named `noise`
    /// too. A `LearnedNoise` tells visitors its specification before they see its parameters, as a
    /// module of a container of its own.
    pub fn of<M: Module>(model: &M) -> Self {
        let mut walk = Walk::default();
        model.visit(&mut walk);
        walk.found
    }
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    noise: Vec<Vec<String>>,
    found: NoisePaths,
}

impl Walk {
    fn parent(&self) -> &[String] {
        &self.path[..self.path.len().saturating_sub(1)]
    }
}

impl ModuleVisitor for Walk {
    // The path at a specification and at an amplitude ends in the field that holds both.
    fn enter_module(&mut self, name: &str, container: &str) {
        if container == SPECIFICATION {
            self.noise.push(self.parent().to_vec());
        }
        if container == AMPLITUDE {
            let path = [self.parent(), &[name.to_string()]].concat().join(".");
            self.found.amplitudes.insert(path);
        }
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        if self.noise.iter().any(|noise| self.parent().starts_with(noise)) {
            self.found.all.insert(self.path.join("."));
        }
    }
}
