//! The checkpoints of a run on disk: one directory per epoch, with checksums of all its files. One
//! file, because it is the one place that knows their names.

use super::checksum::{replace_last, sha256};
use crate::TrainingError;
use crate::error::CheckpointFault;
use crate::history::EpochRow;
use burn::lr_scheduler::LrSchedulerRecord;
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::train::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(crate) const MODEL: &str = "model.bpk";
pub(crate) const OPTIMIZER: &str = "optimizer.bpk";
pub(crate) const SCHEDULE: &str = "schedule.bpk";
/// The averaged model, in runs that average.
pub(crate) const AVERAGE: &str = "average.bpk";
/// The memories of rules, in runs whose rules remember something.
pub(crate) const RULES: &str = "rules.safetensors";
pub(crate) const STATE: &str = "state.json";
/// The recipe of a run, beside its checkpoints, and beside published weights.
pub(crate) const RECIPE: &str = "recipe.toml";

/// Stands for the checksum in the text that it is of.
const UNSIGNED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The form in which this version describes a run.
pub(crate) const FORMAT: u32 = 1;

/// The facts that a checkpoint tells of its run.
///
/// Unknown fields are refused, so that a changed byte in a field's name cannot hide the field.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// The form of `run`: [`FORMAT`], and 0 in checkpoints from before it was counted.
    #[serde(default)]
    pub format: u32,
    /// The version that trained the epoch.
    pub version: String,
    /// The versions that trained the run, each by its first epoch.
    #[serde(default)]
    pub versions: BTreeMap<usize, String>,
    pub epoch: usize,
    /// The configuration: a run resumes only its own checkpoints.
    pub run: serde_json::Value,
    pub history: Vec<EpochRow>,
    /// SHA-256 of the files beside it, by name. Empty in checkpoints from before there were
    /// checksums.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// SHA-256 of this file with zeros in the place of these digits.
    #[serde(default)]
    pub checksum: String,
}

/// The checkpoints of a run, in a folder of their own.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointDir {
    pub root: PathBuf,
}

/// The right to train in a folder, until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "an open file holds the lock")] Option<File>);

impl CheckpointDir {
    /// The checkpoints of a run's folder, which is made if it is missing, and the lock of that
    /// folder. Nothing in it is touched but the file of the lock.
    pub fn open(run: &Path) -> Result<(Self, Lock), TrainingError> {
        fs::create_dir_all(run).map_err(|error| TrainingError::io(run, error))?;
        let path = run.join(".lock");
        let io = |error| TrainingError::io(&path, error);
        // The file stays: who removed it could remove the one that another process has just locked.
        let file = File::options().create(true).append(true).open(&path).map_err(io)?;
        let lock = match file.try_lock() {
            Ok(()) => Lock(Some(file)),
            Err(TryLockError::WouldBlock) => return Err(TrainingError::Locked(run.to_path_buf())),
            // Some network file systems have no locks. There the user has to take care.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Lock(None)
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        };
        Ok((Self { root: run.join("checkpoints") }, lock))
    }

    /// Refuses a file of somebody else in the place of one that a run writes. A folder without
    /// checkpoints has had no run.
    pub fn check_files(&self, run: &Path, names: &[&str]) -> Result<(), TrainingError> {
        // Published weights stand for a run of their own.
        if run.join(STATE).exists() {
            return Err(TrainingError::NotOurs(run.join(STATE)));
        }
        let mut files = names.iter().map(|name| run.join(name));
        match files.find(|path| !self.root.exists() && path.exists()) {
            Some(path) => Err(TrainingError::NotOurs(path)),
            None => Ok(()),
        }
    }

    /// Makes the folder if it is missing, and removes what a killed run left half-written or
    /// half-removed, and nothing else.
    pub fn prepare(&self) -> Result<(), TrainingError> {
        let io = |error| TrainingError::io(&self.root, error);
        fs::create_dir_all(&self.root).map_err(io)?;
        for entry in fs::read_dir(&self.root).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            let ours = |prefix| name.to_str().is_some_and(|name| number(name, prefix).is_some());
            if !(ours(".epoch-") || ours(".drop-")) {
                continue;
            }
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                .map_err(io)?;
        }
        Ok(())
    }

    pub fn folder(&self, epoch: usize) -> PathBuf {
        self.root.join(format!("epoch-{epoch}"))
    }

    /// The folder in which a checkpoint is written before it is complete.
    pub fn stage(&self, epoch: usize) -> PathBuf {
        self.root.join(format!(".epoch-{epoch}"))
    }

    /// The folder in which a checkpoint is removed.
    pub fn trash(&self, epoch: usize) -> PathBuf {
        self.root.join(format!(".drop-{epoch}"))
    }

    /// The epochs that have a checkpoint; none if the folder is missing.
    pub fn epochs(&self) -> Result<BTreeSet<usize>, TrainingError> {
        let io = |error: io::Error| TrainingError::io(&self.root, error);
        let names = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            names => names.map_err(io)?,
        };
        let names = names.map(|entry| entry.map(|entry| entry.file_name()));
        let names: Vec<_> = names.collect::<Result<_, _>>().map_err(io)?;
        Ok(names.iter().filter_map(|name| number(name.to_str()?, "epoch-")).collect())
    }

    /// The state of an epoch that a run goes on from, once all of its files have been found whole
    /// and readable.
    pub fn resumable(&self, epoch: usize) -> Result<State, TrainingError> {
        // Burn panics on a record it cannot read, so they are read once before.
        fn readable<R: Checkpoint>(
            folder: &Path,
            state: &State,
            file: &str,
        ) -> Result<(), TrainingError> {
            verify(folder, state, file)?;
            record::<R>(&folder.join(file)).map(drop)
        }
        let folder = self.folder(epoch);
        let state = state(&folder).and_then(|state| {
            readable::<ModuleRecord>(&folder, &state, MODEL)?;
            readable::<OptimizerRecord>(&folder, &state, OPTIMIZER)?;
            readable::<LrSchedulerRecord>(&folder, &state, SCHEDULE)?;
            if state.files.contains_key(AVERAGE) {
                readable::<ModuleRecord>(&folder, &state, AVERAGE)?;
            }
            if state.files.contains_key(RULES) {
                verify(&folder, &state, RULES)?;
            }
            Ok(state)
        });
        state.map_err(|error| {
            let before = self.epochs().ok().and_then(|all| all.range(..epoch).last().copied());
            let before = before.map(|epoch| self.folder(epoch));
            match error {
                TrainingError::Checkpoint { path, fault } => {
                    TrainingError::Damaged { path, fault, before }
                }
                other => other,
            }
        })
    }
}

/// The state in a checkpoint's folder, once it has been found whole.
pub(crate) fn state(folder: &Path) -> Result<State, TrainingError> {
    let path = folder.join(STATE);
    let bytes = fs::read(&path).map_err(|error| TrainingError::io(&path, error))?;
    let fault = |fault| TrainingError::checkpoint(&path, fault);
    let state: State =
        serde_json::from_slice(&bytes).map_err(|error| fault(CheckpointFault::State(error)))?;
    if state.checksum.is_empty() && state.files.is_empty() {
        return Ok(state);
    }
    let text = String::from_utf8_lossy(&bytes);
    let signature = format!("\"{}\"", state.checksum);
    let unsigned = replace_last(&text, &signature, &format!("\"{UNSIGNED}\""));
    let got = sha256(unsigned.as_bytes());
    if got == state.checksum {
        return Ok(state);
    }
    Err(fault(CheckpointFault::Checksum { got, wanted: state.checksum }))
}

impl State {
    /// The file of the weights: averaged ones in a run that averages.
    pub fn weights(&self) -> &'static str {
        if self.files.contains_key(AVERAGE) { AVERAGE } else { MODEL }
    }
}

/// True if a file of a checkpoint is as it was written.
pub(crate) fn verify(folder: &Path, state: &State, file: &str) -> Result<(), TrainingError> {
    let path = folder.join(file);
    let bytes = fs::read(&path).map_err(|error| TrainingError::io(&path, error))?;
    match state.files.get(file) {
        Some(wanted) if *wanted != sha256(&bytes) => {
            let (got, wanted) = (sha256(&bytes), wanted.clone());
            Err(TrainingError::checkpoint(&path, CheckpointFault::Checksum { got, wanted }))
        }
        _ => Ok(()),
    }
}

/// The record in a file of a checkpoint.
pub(crate) fn record<R: Checkpoint>(path: &Path) -> Result<R, TrainingError> {
    R::load(path.to_path_buf())
        .map_err(|error| TrainingError::checkpoint(path, CheckpointFault::Record(error)))
}

/// Completes a checkpoint's folder with its state, which signs these files of it. An error if one
/// is missing.
pub(crate) fn sign(folder: &Path, mut state: State, files: &[&str]) -> io::Result<()> {
    for &file in files {
        state.files.insert(file.to_string(), sha256(&fs::read(folder.join(file))?));
    }
    state.checksum = UNSIGNED.to_string();
    let text = serde_json::to_string_pretty(&state)?;
    let signature = format!("\"{}\"", sha256(text.as_bytes()));
    let signed = replace_last(&text, &format!("\"{UNSIGNED}\""), &signature);
    let mut file = File::create(folder.join(STATE))?;
    file.write_all(signed.as_bytes())?;
    file.sync_all()
}

/// Writes a file beside its place and then into it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// The number in `epoch-12`, written as we write it.
fn number(name: &str, prefix: &str) -> Option<usize> {
    let number: usize = name.strip_prefix(prefix)?.parse().ok()?;
    (name == format!("{prefix}{number}")).then_some(number)
}
