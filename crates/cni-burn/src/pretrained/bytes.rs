//! Weights from the bytes of their files, where there are no files: in a browser.

use super::{MODEL, Pretrained, PretrainedError, STATE};
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use cni_layers::models::{ResNet, ResNetConfig};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Weights of the library's own, from their bytes.
#[derive(Clone, Debug)]
pub struct PretrainedModel {
    /// The model, as by `valid()`; its noise is on.
    pub model: ResNet,
    /// The configuration that it was built from.
    pub config: ResNetConfig,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The epoch of the weights, counted from 1.
    pub epoch: usize,
}

/// The part of `state.json` that is about the model.
#[derive(Deserialize)]
struct State {
    epoch: usize,
    run: Run,
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Run {
    classes: Vec<String>,
    model: Description,
}

#[derive(Deserialize)]
struct Description {
    config: ResNetConfig,
}

/// The name under which a run's records have the model.
#[derive(Module, Debug)]
struct Saved {
    net: ResNet,
}

impl Pretrained {
    /// Reads the model from the bytes of the two files `state.json` and `model.bpk`, for a program
    /// without a file system.
    ///
    /// ```
    /// # use burn::tensor::Device;
    /// use cni_burn::prelude::*;
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights/digits-clean");
    /// # let state = std::fs::read(format!("{folder}/state.json"))?;
    /// # let weights = std::fs::read(format!("{folder}/model.bpk"))?;
    /// let read = Pretrained::DigitsClean.read(&state, weights, &Device::flex())?;
    /// assert_eq!(read.classes.len(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PretrainedError`] for bytes that are not those that this version of the library knows.
    pub fn read(
        self,
        state: &[u8],
        weights: Vec<u8>,
        device: &Device,
    ) -> Result<PretrainedModel, PretrainedError> {
        self.check(PathBuf::from(STATE), state)?;
        let damaged = |file: &'static str, reason: String| PretrainedError::Damaged {
            name: self.name(),
            file,
            reason,
        };
        let State { epoch, run, files } =
            serde_json::from_slice(state).map_err(|error| damaged(STATE, error.to_string()))?;
        let wanted = files.get(MODEL).cloned().unwrap_or_default();
        self.compare(PathBuf::from(MODEL), &weights, &wanted)?;
        let Run { classes, model: Description { config } } = run;
        let net = config.try_init(device).map_err(|error| damaged(STATE, error.to_string()))?;
        let unreadable = |error: burn::store::RecordError| damaged(MODEL, error.to_string());
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(weights));
        // They are published in half precision.
        let record = record.map_err(unreadable)?.cast_to_module_dtype();
        let saved = Saved { net: net.valid() }.try_load_record(record).map_err(unreadable)?;
        Ok(PretrainedModel { model: saved.net, config, classes, epoch })
    }

    /// Compares `state.json` with the one that this version knows.
    pub(super) fn check(self, path: PathBuf, state: &[u8]) -> Result<(), PretrainedError> {
        self.compare(path, state, self.known().1)
    }

    fn compare(self, path: PathBuf, bytes: &[u8], wanted: &str) -> Result<(), PretrainedError> {
        let got: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        match got == wanted {
            true => Ok(()),
            false => Err(PretrainedError::Checksum {
                path,
                name: self.name(),
                got,
                wanted: wanted.to_string(),
            }),
        }
    }
}
