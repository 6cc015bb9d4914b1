//! Reading of the checkpoints of a run.

use super::dir::{AVERAGE, CheckpointDir, RECIPE, RULES, STATE, State, record, state, verify};
use super::identity::same_model;
use crate::history::best;
use crate::{CheckpointFault, EpochRow, TrainingError};
use burn::module::{Module, ModuleDisplay};
use burn::store::ModuleRecord;
use burn::train::checkpoint::CheckpointerError;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A choice among the checkpoints of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointSelector {
    /// The last complete one.
    Last,
    /// The best on the validation set: by robust accuracy if that was measured, else by clean
    /// accuracy. The last one of a run without validation.
    Best,
    /// The checkpoint of an epoch, counted from 1.
    Epoch(usize),
}

/// The description of a run in one of its checkpoints.
#[derive(Clone, Debug)]
pub struct CheckpointInfo {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The version of this crate that trained the epoch.
    pub version: String,
    /// The classes of the data that it was trained on: what its outputs mean. Empty in checkpoints
    /// from before they were kept.
    pub classes: Vec<String>,
    /// The description that [`Trainer::with_model_config`](crate::Trainer::with_model_config) was
    /// given.
    pub model_config: Option<Value>,
    /// All settings of the run.
    pub run: Value,
    /// The epochs up to this one.
    pub history: Vec<EpochRow>,
}

/// The description of a run in one of its checkpoints, without the model.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] if the run has no such checkpoint, or one that is damaged.
pub fn checkpoint_info(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
) -> Result<CheckpointInfo, TrainingError> {
    let (_, state) = find(run.as_ref(), selector)?;
    Ok(info(state))
}

fn info(state: State) -> CheckpointInfo {
    let State { epoch, version, run, history, .. } = state;
    let classes = run["classes"].as_array().into_iter().flatten();
    let classes = classes.filter_map(|name| Some(name.as_str()?.to_string())).collect();
    let model_config = Some(run["model"]["config"].clone()).filter(|config| !config.is_null());
    CheckpointInfo { epoch, version, classes, model_config, run, history }
}

/// The model with the weights of a run's checkpoint, and the epoch they are from. In a run that
/// averages its weights they are the averaged ones, which the run was validated by.
///
/// `model` is built as for the run, noise included. The result is a snapshot of it as by `valid()`,
/// on its plain device; clones of `model` keep their values.
///
/// It needs the files `model.bpk` (`average.bpk` in a run that averages) and `state.json` of the
/// checkpoint alone, and checks that they are as they were written. `run` is the folder of the run,
/// or one that holds the two files themselves, as
/// [`publish_checkpoint`](crate::publish_checkpoint) makes it.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] if the run has no such checkpoint, or one that is damaged or of
/// another model: one with other parameters, or with noise of another law or convention. Settings
/// that parameters do not tell, such as strides and how often noise is drawn, are the caller's to
/// repeat: see [`CheckpointInfo::model_config`] and [`load_run`](crate::load_run).
pub fn load_checkpoint<N: Module + ModuleDisplay>(
    model: N,
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
) -> Result<(N, usize), TrainingError> {
    let (folder, state) = find(run.as_ref(), selector)?;
    let model = load(model, &folder, &state)?;
    Ok((model, state.epoch))
}

/// As [`load_checkpoint`], of a model that `build` makes from the description of the run; with the
/// folder that it was read from.
pub(super) fn load_with<N: Module + ModuleDisplay>(
    run: &Path,
    selector: CheckpointSelector,
    build: impl FnOnce(&Path, &CheckpointInfo) -> Result<N, TrainingError>,
) -> Result<(N, CheckpointInfo, PathBuf), TrainingError> {
    let (folder, state) = find(run, selector)?;
    let told = info(state.clone());
    let model = build(&folder, &told)?;
    Ok((load(model, &folder, &state)?, told, folder))
}

fn load<N: Module + ModuleDisplay>(
    model: N,
    folder: &Path,
    state: &State,
) -> Result<N, TrainingError> {
    let file = state.weights();
    verify(folder, state, file)?;
    if let Some(different) = same_model(&model, &state.run) {
        let fault = CheckpointFault::Model(different);
        return Err(TrainingError::checkpoint(&folder.join(file), fault));
    }
    // Clones share running statistics, and a failed load leaves a module half changed: load into a
    // snapshot.
    loaded(model.valid(), &folder.join(file))
}

/// The model under the name that it has in a run's records.
#[derive(Module, Debug)]
struct Saved<N: Module> {
    net: N,
}

fn loaded<N: Module + ModuleDisplay>(model: N, path: &Path) -> Result<N, TrainingError> {
    // Published weights may be in half precision.
    let record = record::<ModuleRecord>(path)?.cast_to_module_dtype();
    let saved = Saved { net: model }.try_load_record(record).map_err(|error| {
        let text = error.to_string();
        let fault = match text.contains("Missing tensors") && text.contains("normalize.mean") {
            true => CheckpointFault::Model(format!(
                "{text}; it was saved before a model's normalization was part of its weights, or \
                 is of a model without one"
            )),
            false => CheckpointFault::Record(CheckpointerError::Record(error)),
        };
        TrainingError::checkpoint(path, fault)
    })?;
    Ok(saved.net)
}

/// The record of an averaged model, from its form as by `valid()`.
pub(crate) fn averaged<N: Module + ModuleDisplay>(average: N) -> ModuleRecord {
    Saved { net: average }.into_record()
}

/// The averaged model of an epoch, if it has one. `model` is as by `valid()`.
pub(crate) fn load_average<N: Module + ModuleDisplay>(
    directory: &CheckpointDir,
    epoch: usize,
    model: N,
) -> Result<Option<N>, TrainingError> {
    let path = directory.folder(epoch).join(AVERAGE);
    path.is_file().then(|| loaded(model, &path)).transpose()
}

/// The bytes of the memories of an epoch's rules, if they have any.
pub(crate) fn rule_bytes(
    directory: &CheckpointDir,
    epoch: usize,
) -> Result<Option<Vec<u8>>, TrainingError> {
    let path = directory.folder(epoch).join(RULES);
    let read = || fs::read(&path).map_err(|error| TrainingError::io(&path, error));
    path.is_file().then(read).transpose()
}

/// The folder of a checkpoint, and its state.
pub(super) fn find(
    run: &Path,
    selector: CheckpointSelector,
) -> Result<(PathBuf, State), TrainingError> {
    if run.join(STATE).is_file() {
        // A published checkpoint: its state tells what it is of.
        let state = state(run)?;
        if state.files.contains_key(RECIPE) {
            verify(run, &state, RECIPE)?;
        }
        return match selector {
            CheckpointSelector::Epoch(epoch) if epoch != state.epoch => {
                let got = format!("holds epoch {}, wanted epoch {epoch}", state.epoch);
                Err(TrainingError::absent(run, got))
            }
            _ => Ok((run.to_path_buf(), state)),
        };
    }
    let directory = CheckpointDir { root: run.join("checkpoints") };
    let epochs = directory.epochs()?;
    if !directory.root.is_dir() {
        let wanted = "got no such folder, wanted a run's checkpoints";
        return Err(TrainingError::absent(&directory.root, wanted));
    }
    let none = || {
        let what = match selector {
            CheckpointSelector::Epoch(epoch) if !epochs.is_empty() => {
                let list: Vec<String> = epochs.iter().map(usize::to_string).collect();
                format!("got no checkpoint of epoch {epoch}, wanted one of {}", list.join(", "))
            }
            _ => "got no checkpoint, wanted at least one".to_string(),
        };
        TrainingError::absent(&directory.root, what)
    };
    let last = epochs.last().copied().ok_or_else(none)?;
    let epoch = match selector {
        CheckpointSelector::Last => last,
        CheckpointSelector::Best => best(&state(&directory.folder(last))?.history).unwrap_or(last),
        CheckpointSelector::Epoch(epoch) => epoch,
    };
    let folder = directory.folder(epoch);
    if !folder.join(STATE).is_file() {
        return Err(none());
    }
    let state = state(&folder)?;
    Ok((folder, state))
}
