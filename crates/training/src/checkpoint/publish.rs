//! The weights of a checkpoint in a folder of their own, for others.

use super::dir::{MODEL, RECIPE, STATE, sign, verify, write_whole};
use super::restore::{CheckpointSelector, find};
use crate::{CheckpointFault, TrainingError};
use burn::tensor::{DType, TensorData};
use burn::train::checkpoint::CheckpointerError;
use burn_pack::{Reader, Tensor, Writer};
use serde_json::json;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The folder in which files wait until all of them are written. It marks the folder around it as one
/// that a call has begun to fill.
const STAGE: &str = ".publishing";

/// Publishes the weights of a run's checkpoint: writes them into a folder of their own, and returns
/// the epoch that they are of.
///
/// The folder has `model.bpk` with the weights, averaged ones in a run that averages, `recipe.toml`
/// if the run has a recipe, and `state.json` with the description of the run, its history and the
/// checksums of all. It stands for the run wherever only weights are read: in
/// [`load_checkpoint`](crate::load_checkpoint), [`load_run`](crate::load_run) and
/// [`checkpoint_info`](crate::checkpoint_info). Equal trainings give equal files: the ids of
/// parameters, which differ between processes, are left out.
///
/// With `half` the weights are rounded to IEEE half precision (f16): half the bytes, and another
/// model, whose accuracy is to be measured by itself. It is read in the precision that the model is
/// built with.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] if the run has no such checkpoint or a damaged one, if the folder
/// holds any file that no call has left there or cannot be written, and if a weight is too large for
/// half precision (65,504). A kill leaves a folder without `state.json`, which is no published
/// checkpoint, and which another call completes.
pub fn publish_checkpoint(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
    folder: impl AsRef<Path>,
    half: bool,
) -> Result<usize, TrainingError> {
    let (from, mut state) = find(run.as_ref(), selector)?;
    let file = state.weights();
    verify(&from, &state, file)?;
    let epoch = state.epoch;
    let weights = weights(&from.join(file), half)?;
    if half {
        state.run["published"] = json!({ "weights": "f16" });
    }
    state.files.clear();
    let path = run.as_ref().join(RECIPE);
    let read = || fs::read(&path).map_err(|error| TrainingError::io(&path, error));
    let recipe = path.exists().then(read).transpose()?;
    let folder = folder.as_ref();
    let write = || -> io::Result<()> {
        let stage = staged(folder)?;
        let files = [(MODEL, Some(weights)), (RECIPE, recipe)];
        let files = files.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
        let mut names = Vec::new();
        for (name, bytes) in files {
            write_whole(&stage.join(name), &bytes)?;
            names.push(name);
        }
        sign(&stage, state, &names)?;
        // The state comes last: it makes a published checkpoint of the folder.
        for name in names.into_iter().chain([STATE]) {
            fs::rename(stage.join(name), folder.join(name))?;
        }
        fs::remove_dir(stage)
    };
    write().map_err(|error| TrainingError::io(folder, error))?;
    Ok(epoch)
}

/// An empty stage in a folder that is new, empty, or what a killed call has left.
fn staged(folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let stage = folder.join(STAGE);
    let begun = fs::symlink_metadata(&stage).is_ok_and(|of| of.is_dir());
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let ours = begun && [MODEL, RECIPE, STAGE].iter().any(|ours| name == *ours);
        if !ours {
            let got = format!("got {name:?} in it, wanted a new or empty folder");
            return Err(io::Error::new(ErrorKind::AlreadyExists, got));
        }
    }
    if begun {
        for name in [MODEL, RECIPE] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::remove_dir_all(&stage)?;
    }
    fs::create_dir(&stage)?;
    Ok(stage)
}

/// The bytes of a record without the ids of its parameters, and with its tensors in half precision
/// if that is asked for.
fn weights(from: &Path, half: bool) -> Result<Vec<u8>, TrainingError> {
    let fault =
        |error: CheckpointerError| TrainingError::checkpoint(from, CheckpointFault::Record(error));
    let unreadable = |error: burn_pack::Error| fault(CheckpointerError::Unknown(error.to_string()));
    let published = |tensor: Tensor| {
        let (path, dtype, shape, _, bytes) = tensor.into_parts().map_err(unreadable)?;
        if !(half && dtype.is_float()) {
            return Ok(Tensor::new(path, dtype, shape, None, bytes));
        }
        let data = TensorData::from_bytes(bytes, shape, dtype).convert_dtype(DType::F16);
        if let Some(number) = data.iter::<f32>().find(|number| !number.is_finite()) {
            let reason = format!("{path}: got {number} in half precision, wanted finite numbers");
            return Err(fault(CheckpointerError::Unknown(reason)));
        }
        let (bytes, shape, dtype) = data.into_parts();
        Ok(Tensor::new(path, dtype, shape, None, bytes))
    };
    let tensors = Reader::from_file(from).and_then(Reader::into_tensors).map_err(unreadable)?;
    let tensors: Vec<Tensor> = tensors.into_iter().map(published).collect::<Result<_, _>>()?;
    Ok(Writer::new(tensors).into_bytes().map_err(unreadable)?.to_vec())
}
