//! Checkpoints of a training: a folder that appears whole or not at all.

use super::trainer::Adversary;
use super::{RegistrationTrainer, StepLosses};
use crate::RegistrationError;
use burn::module::Module;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NETWORK: &str = "network.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const DISCRIMINATOR: &str = "discriminator.bpk";
const DISCRIMINATOR_OPTIMIZER: &str = "discriminator-optimizer.bpk";
const STATE: &str = "state.json";
/// The version of the files.
const FORMAT: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    config: Value,
    history: Vec<StepLosses>,
    /// The SHA-256 of each other file. Burn's records have no checksum.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

impl State {
    /// A file of the checkpoint, if it is as it was written.
    fn file(&self, folder: &Path, name: &str) -> Result<PathBuf, RegistrationError> {
        let path = folder.join(name);
        let got = sha256(&path).map_err(file(&path))?;
        match self.files.get(name) {
            Some(wanted) if *wanted == got => Ok(path),
            wanted => Err(RegistrationError::Checkpoint {
                path,
                field: "sha256",
                got,
                wanted: wanted.map_or("a file that the state names", String::as_str).to_string(),
            }),
        }
    }
}

/// The SHA-256 of a file in hexadecimal digits.
fn sha256(path: &Path) -> io::Result<String> {
    Ok(Sha256::digest(fs::read(path)?).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn file(path: &Path) -> impl Fn(io::Error) -> RegistrationError {
    let path = path.to_path_buf();
    move |source| RegistrationError::File { path: path.clone(), source }
}

fn record(path: &Path) -> impl Fn(RecordError) -> RegistrationError {
    let path = path.to_path_buf();
    move |error| RegistrationError::Record { path: path.clone(), reason: error.to_string() }
}

impl<M, F, const R: usize> RegistrationTrainer<M, F, R>
where
    M: Module,
    F: Fn(&M, Tensor<R>, Tensor<R>) -> Result<Tensor<R>, RegistrationError>,
{
    /// Writes a checkpoint into a new folder: both networks, both optimizers, and the configuration
    /// and all losses as JSON. [`RegistrationConfig::resume`](super::RegistrationConfig::resume)
    /// goes on from it.
    ///
    /// The files are written into a hidden folder beside, and to the disk, before it is renamed.
    /// The process's umask decides who may read them.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::File`] if the folder exists or cannot be written,
    /// [`RegistrationError::Record`] if a record cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), RegistrationError> {
        let folder = folder.as_ref();
        let failed = file(folder);
        if fs::symlink_metadata(folder).is_ok() {
            let wanted = "got a folder or file that exists, wanted a new one";
            return Err(failed(io::Error::new(ErrorKind::AlreadyExists, wanted)));
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(&failed)?;
        let stage = stage_in(parent).map_err(&failed)?;
        let at = |name: &str| stage.path().join(name);
        let written = |name: &str, result: Result<(), RecordError>| {
            result.map_err(record(&folder.join(name)))
        };
        written(NETWORK, self.network.valid().save_file(at(NETWORK)))?;
        written(OPTIMIZER, self.optimizer.save(at(OPTIMIZER)))?;
        if let Some(Adversary { discriminator, optimizer, .. }) = &self.adversary {
            written(DISCRIMINATOR, discriminator.valid().save_file(at(DISCRIMINATOR)))?;
            let path = at(DISCRIMINATOR_OPTIMIZER);
            written(DISCRIMINATOR_OPTIMIZER, optimizer.save(path))?;
        }
        let (config, history) = (self.described(), self.history.clone());
        let mut files = BTreeMap::new();
        for name in [NETWORK, OPTIMIZER, DISCRIMINATOR, DISCRIMINATOR_OPTIMIZER] {
            if at(name).exists() {
                files.insert(name.to_string(), sha256(&at(name)).map_err(&failed)?);
            }
        }
        let state = State { format: FORMAT, config, history, files };
        let text = serde_json::to_vec_pretty(&state).expect("a state is plain data");
        fs::write(at(STATE), text).map_err(&failed)?;
        sync(stage.path()).map_err(&failed)?;
        fs::rename(stage.path(), folder).map_err(&failed)?;
        // It has moved: there is nothing left to remove.
        let _ = stage.keep();
        sync_folder(parent).map_err(&failed)
    }

    fn described(&self) -> Value {
        serde_json::to_value(&self.config).expect("a configuration is plain data")
    }

    pub(super) fn restored(mut self, folder: &Path) -> Result<Self, RegistrationError> {
        let path = folder.join(STATE);
        let bytes = fs::read(&path).map_err(file(&path))?;
        let state: State = serde_json::from_slice(&bytes).map_err(|error| {
            RegistrationError::Record { path: path.clone(), reason: error.to_string() }
        })?;
        let differs = |field, got: String, wanted: String| {
            Err(RegistrationError::Checkpoint { path: path.clone(), field, got, wanted })
        };
        if state.format != FORMAT {
            return differs("format", state.format.to_string(), FORMAT.to_string());
        }
        let config = self.described();
        if state.config != config {
            return differs("config", state.config.to_string(), config.to_string());
        }
        let network = loaded(self.network.valid(), &state.file(folder, NETWORK)?)?;
        let path = state.file(folder, OPTIMIZER)?;
        let fresh = self.config.optimization.adam.init();
        self.optimizer = fresh.load(&path).map_err(record(&path))?;
        if let Some(adversary) = &mut self.adversary {
            let path = state.file(folder, DISCRIMINATOR)?;
            adversary.discriminator = loaded(adversary.discriminator.valid(), &path)?.train();
            let path = state.file(folder, DISCRIMINATOR_OPTIMIZER)?;
            let fresh = adversary.config.optimization.adam.init();
            adversary.optimizer = fresh.load(&path).map_err(record(&path))?;
        }
        self.network = network.train();
        self.history = state.history;
        Ok(self)
    }
}

/// A new hidden folder in another, with the permissions of any new folder.
fn stage_in(parent: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.prefix(".checkpoint").tempdir_in(parent)
}

/// Brings a folder's files and their names to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        // Windows wants a file that may be written.
        File::options().read(true).write(true).open(file?.path())?.sync_all()?;
    }
    sync_folder(folder)
}

/// Brings the names in a folder to the disk, where a system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

/// A module with the weights of a file.
fn loaded<M: Module>(module: M, path: &Path) -> Result<M, RegistrationError> {
    let weights = ModuleRecord::load(path).map_err(record(path))?;
    module.try_load_record(weights).map_err(record(path))
}
