use crate::history::best;
use crate::identity::same_model;
use crate::shelf::{MODEL, Shelf, State, record, state, verify};
use crate::{CheckpointFault, EpochRow, TrainingError};
use burn::module::{Module, ModuleDisplay};
use burn::store::ModuleRecord;
use burn::train::checkpoint::CheckpointerError;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The last complete one.
    Last,
    /// The best on the validation set: robust accuracy where it was measured, else clean.
    Best,
    /// That of an epoch, counted from 1.
    Epoch(usize),
}

/// What a checkpoint says of the run that it is of.
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

/// What a run's checkpoint says of the run, without the model.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] where the run has no such checkpoint, or one that is damaged.
pub fn checkpoint_info(
    run: impl AsRef<Path>,
    which: Which,
) -> Result<CheckpointInfo, TrainingError> {
    let (_, state) = find(run.as_ref(), which)?;
    let State { epoch, version, run, history, .. } = state;
    let classes = run["classes"].as_array().into_iter().flatten();
    let classes = classes.filter_map(|name| Some(name.as_str()?.to_string())).collect();
    let model_config = Some(run["model"]["config"].clone()).filter(|config| !config.is_null());
    Ok(CheckpointInfo { epoch, version, classes, model_config, run, history })
}

/// The model with the weights of a run's checkpoint, and the epoch they are from.
///
/// `model` is built as for the run, noise included. The result is a snapshot of it as by `valid()`,
/// on its plain device; clones of `model` keep their values.
///
/// It needs the files `model.bpk` and `state.json` of the checkpoint alone, and checks that they
/// are as they were written. `run` is the folder of the run, or one that holds the two files
/// themselves.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] where the run has no such checkpoint, or one that is damaged or of
/// another model: one with other parameters, or with noise of another law or convention. Settings
/// that parameters do not tell, such as strides and how often noise is drawn, are the caller's to
/// repeat: see [`CheckpointInfo::model_config`].
pub fn load_checkpoint<N: Module + ModuleDisplay>(
    model: N,
    run: impl AsRef<Path>,
    which: Which,
) -> Result<(N, usize), TrainingError> {
    let (folder, state) = find(run.as_ref(), which)?;
    verify(&folder, &state, MODEL)?;
    if let Some(different) = same_model(&model, &state.run) {
        let fault = CheckpointFault::Model(different);
        return Err(TrainingError::checkpoint(&folder.join(MODEL), fault));
    }
    #[derive(Module, Debug)]
    struct Saved<N: Module> {
        net: N,
    }
    let path = folder.join(MODEL);
    let record = record::<ModuleRecord>(&path)?;
    // Clones share running statistics, and a failed load leaves a module half changed: load into a
    // snapshot.
    let saved = Saved { net: model.valid() }.try_load_record(record).map_err(|error| {
        let text = error.to_string();
        let fault = match text.contains("Missing tensors") && text.contains("normalize.mean") {
            true => CheckpointFault::Model(format!(
                "{text}; it was saved before a model's normalization was part of its weights, or \
                 is of a model without one"
            )),
            false => CheckpointFault::Record(CheckpointerError::Record(error)),
        };
        TrainingError::checkpoint(&path, fault)
    })?;
    Ok((saved.net, state.epoch))
}

/// The folder of a checkpoint, and its state.
fn find(run: &Path, which: Which) -> Result<(PathBuf, State), TrainingError> {
    let shelf = Shelf { root: run.join("checkpoints") };
    let epochs = shelf.epochs()?;
    if epochs.is_empty() && run.join(MODEL).is_file() {
        // A published checkpoint: what it is of, it says itself.
        let state = state(run)?;
        return match which {
            Which::Epoch(epoch) if epoch != state.epoch => {
                let got = format!("holds epoch {}, wanted epoch {epoch}", state.epoch);
                Err(TrainingError::absent(run, got))
            }
            _ => Ok((run.to_path_buf(), state)),
        };
    }
    if !shelf.root.is_dir() {
        let wanted = "got no such folder, wanted a run's checkpoints";
        return Err(TrainingError::absent(&shelf.root, wanted));
    }
    let none = || TrainingError::absent(&shelf.root, format!("holds no checkpoint {which:?}"));
    let last = epochs.last().copied().ok_or_else(none)?;
    let epoch = match which {
        Which::Last => last,
        Which::Best => best(&state(&shelf.folder(last))?.history).unwrap_or(last),
        Which::Epoch(epoch) => epoch,
    };
    let folder = shelf.folder(epoch);
    if !folder.join(MODEL).is_file() {
        return Err(none());
    }
    let state = state(&folder)?;
    Ok((folder, state))
}
