//! The state of a suite on disk: one file for each batch, written after each attack.

use super::cascade::Cascade;
use super::report::Stage;
use crate::AttackError;
use crate::Budget;
use crate::device::read_labels;
use crate::disk::{canonical, fingerprint, write_whole};
use crate::judge::Severity;
use crate::probe::Probe;
use burn::tensor::{DType, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The version of the file's layout, which is part of the fingerprint.
const LAYOUT: u32 = 5;

/// What a file holds beside the images.
#[derive(Serialize, Deserialize)]
struct Saved {
    fingerprint: String,
    /// What the model is known by.
    model: Probe,
    severity: Vec<Severity>,
    broken: Vec<bool>,
    broken_by: Vec<Option<usize>>,
    stages: Vec<Stage>,
}

/// The file of one batch.
pub(super) struct State {
    path: PathBuf,
    fingerprint: String,
    model: Probe,
}

impl State {
    /// The file of batch number `batch` in `folder`, for the suite of this `spec`, each attack's budget, the key and data
    /// of `cascade`, and this model.
    pub fn new(
        folder: &Path,
        batch: usize,
        spec: &serde_json::Value,
        budget: &Budget,
        cascade: &Cascade,
        model: Probe,
    ) -> Self {
        let labels = read_labels(cascade.problem.goal.labels());
        let first = cascade.problem.examples.number(0);
        let version = env!("CARGO_PKG_VERSION");
        let (spec, key) = (canonical(spec), cascade.key);
        let text = format!("{LAYOUT} {version} {spec} {budget:?} {key} {first} {labels:?}");
        let pixels = cascade.problem.images.to_data();
        let fingerprint = fingerprint(&[text.as_bytes(), pixels.as_bytes()]);
        Self { path: folder.join(format!("batch-{batch:06}.safetensors")), fingerprint, model }
    }

    /// Takes up the cascade where the file left it; the stages that are done.
    pub fn load(&self, cascade: &mut Cascade) -> Result<Vec<Stage>, AttackError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.refused(error)),
        };
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| self.refused(error))?;
        let entry = |name: &str| {
            let entry = header.metadata().as_ref().and_then(|entries| entries.get(name));
            let missing = || format!("got no entry `{name}`, wanted a suite's state");
            entry.ok_or_else(|| self.refused(missing()))
        };
        let (text, sha256) = (entry("state")?, entry("sha256")?);
        let saved: Saved = serde_json::from_str(text).map_err(|error| self.refused(error))?;
        if saved.fingerprint != self.fingerprint {
            return Err(self.refused(
                "got the state of another suite, budget, key or data, wanted that of this one; remove the folder to begin anew",
            ));
        }
        if !self.model.matches(&saved.model) {
            return Err(self.refused(
                "model: got the state of one with other logits or gradients, wanted that of this one; remove the folder to \
                 begin anew",
            ));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|error| self.refused(error))?;
        let view = file.tensor("images").map_err(|error| self.refused(error))?;
        let got = checksum(text, view.data());
        if got != *sha256 {
            let reason =
                format!("sha256: got {got}, wanted {sha256}: changed since it was written");
            return Err(self.refused(reason));
        }
        let clean = &cascade.problem.images;
        if view.shape() != clean.dims() || Some(view.dtype()) != layout(clean.dtype()) {
            return Err(self.refused(format!(
                "got images of shape {:?} and type {:?}, wanted those of the batch",
                view.shape(),
                view.dtype()
            )));
        }
        let data = TensorData::from_bytes_vec(view.data().to_vec(), clean.shape(), clean.dtype());
        cascade.images = Tensor::from_data(data, (&clean.device(), clean.dtype()));
        (cascade.severity, cascade.broken) = (saved.severity, saved.broken);
        cascade.broken_by = saved.broken_by;
        Ok(saved.stages)
    }

    /// Writes the cascade down. The file is complete or as it was before.
    pub fn save(&self, cascade: &Cascade, stages: &[Stage]) -> Result<(), AttackError> {
        let saved = Saved {
            fingerprint: self.fingerprint.clone(),
            model: self.model.clone(),
            severity: cascade.severity.clone(),
            broken: cascade.broken.clone(),
            broken_by: cascade.broken_by.clone(),
            stages: stages.to_vec(),
        };
        let text = serde_json::to_string(&saved).expect("a state is plain data");
        let data = cascade.images.to_data();
        let dtype = layout(data.dtype()).ok_or_else(|| {
            self.refused(format!("got images of type {:?}, wanted a float type", data.dtype()))
        })?;
        let view = TensorView::new(dtype, cascade.images.dims().to_vec(), data.as_bytes())
            .map_err(|error| self.refused(error))?;
        let sha256 = checksum(&text, data.as_bytes());
        let metadata = [("state".to_string(), text), ("sha256".to_string(), sha256)];
        let metadata = HashMap::from(metadata);
        let bytes =
            serialize([("images", view)], Some(metadata)).map_err(|error| self.refused(error))?;
        write_whole(&self.path, &bytes).map_err(|error| self.refused(error))
    }

    fn refused(&self, reason: impl ToString) -> AttackError {
        AttackError::State { path: self.path.clone(), reason: reason.to_string() }
    }
}

fn checksum(text: &str, images: &[u8]) -> String {
    fingerprint(&[text.as_bytes(), images])
}

fn layout(dtype: DType) -> Option<Dtype> {
    match dtype {
        DType::F64 => Some(Dtype::F64),
        DType::F32 | DType::Flex32 => Some(Dtype::F32),
        DType::F16 => Some(Dtype::F16),
        DType::BF16 => Some(Dtype::BF16),
        _ => None,
    }
}
