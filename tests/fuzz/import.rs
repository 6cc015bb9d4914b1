//! Checkpoints of PyTorch.

use crate::kind::{Demand, Kind};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use cni_burn::prelude::*;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// Asserts that what was imported can be computed with.
struct Finite;

impl ModuleVisitor for Finite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values: Vec<f32> = param.val().try_to_vec_as().unwrap();
        assert!(values.iter().all(|value| value.is_finite()), "a parameter is not finite");
    }
}

/// The model that the files are of.
pub fn small() -> ResNet {
    let architecture = Architecture::Cifar { depth: 8, shortcut: Shortcut::Projection };
    ResNetConfig::new(architecture, 10).with_width(0.25).init(&Device::flex())
}

pub fn pytorch(file: &'static str) -> Kind {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data");
    let folder = tempdir().unwrap();
    fs::copy(Path::new(root).join(file), folder.path().join(file)).unwrap();
    let model = small();
    let read = move |dir: &Path| {
        let model =
            model.clone().load_pytorch(dir.join(file)).map_err(|error| error.to_string())?;
        model.visit(&mut Finite);
        Ok(String::new())
    };
    Kind { folder, files: vec![file.into()], demand: Demand::Sane, read: Box::new(read) }
}
