//! The weights of a checkpoint in a folder of their own, for others.

use super::dir::{AVERAGE, MODEL, RECIPE, STATE, signed, verify, write_whole};
use super::restore::{CheckpointSelector, find};
use crate::{CheckpointFault, TrainingError};
use burn::tensor::{DType, TensorData};
use burn::train::checkpoint::CheckpointerError;
use burn_pack::{Reader, Tensor, Writer};
use serde_json::json;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Publishes the weights of a run's checkpoint: writes them into a folder of their own, and returns
/// the epoch that they are of.
///
/// The folder has `model.bpk` with the weights, averaged ones in a run that averages, `recipe.toml`
/// if the run has a recipe, and `state.json` with the description of the run, its history and the
/// checksums of all. It stands for the run wherever only weights are read: in [`load_checkpoint`](crate::load_checkpoint),
/// [`load_run`](crate::load_run) and [`checkpoint_info`](crate::checkpoint_info).
///
/// With `half` the weights are rounded to IEEE half precision (f16): half the bytes, and another
/// model, whose accuracy is to be measured by itself. It is read in the precision that the model is
/// built with.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] if the run has no such checkpoint or a damaged one, if the folder
/// holds any other file or cannot be written, and if a weight is too large for half precision
/// (65,504). A kill leaves a folder without `state.json`, which is no published checkpoint, and
/// which another call completes.
pub fn publish_checkpoint(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
    folder: impl AsRef<Path>,
    half: bool,
) -> Result<usize, TrainingError> {
    let (from, mut state) = find(run.as_ref(), selector)?;
    let file = if state.files.contains_key(AVERAGE) { AVERAGE } else { MODEL };
    verify(&from, &state, file)?;
    let epoch = state.epoch;
    let weights = match half {
        true => halved(&from.join(file))?,
        false => fs::read(from.join(file)).map_err(|error| TrainingError::io(&from, error))?,
    };
    if half {
        state.run["published"] = json!({ "weights": "f16" });
    }
    state.files.clear();
    let path = run.as_ref().join(RECIPE);
    let read = || fs::read(&path).map_err(|error| TrainingError::io(&path, error));
    let recipe = path.exists().then(read).transpose()?;
    let folder = folder.as_ref();
    let failed = |error| TrainingError::io(folder, error);
    fs::create_dir_all(folder).map_err(failed)?;
    // What a killed call has left: the weights come first, and the state, which makes a published
    // checkpoint of the folder, last.
    let begun = folder.join(MODEL).exists();
    let part =
        |name: &str| name.strip_suffix(".part").map(|of| [MODEL, RECIPE, STATE].contains(&of));
    let ours = |name: &str| match name {
        MODEL => true,
        RECIPE => begun,
        name => part(name).unwrap_or(false),
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !name.to_str().is_some_and(ours) {
            let got = format!("got {name:?} in it, wanted a new or empty folder");
            return Err(failed(io::Error::new(ErrorKind::AlreadyExists, got)));
        }
    }
    write_whole(&folder.join(MODEL), &weights).map_err(failed)?;
    let mut files = vec![MODEL];
    if let Some(recipe) = recipe {
        write_whole(&folder.join(RECIPE), &recipe).map_err(failed)?;
        files.push(RECIPE);
    }
    signed(folder, state, &files)
        .and_then(|text| write_whole(&folder.join(STATE), text.as_bytes()))
        .map_err(failed)?;
    Ok(epoch)
}

/// The bytes of a record with its tensors in half precision.
fn halved(from: &Path) -> Result<Vec<u8>, TrainingError> {
    let fault =
        |error: CheckpointerError| TrainingError::checkpoint(from, CheckpointFault::Record(error));
    let unreadable = |error: burn_pack::Error| fault(CheckpointerError::Unknown(error.to_string()));
    let halved = |tensor: Tensor| {
        let (path, dtype, shape, id, bytes) = tensor.into_parts().map_err(unreadable)?;
        if !dtype.is_float() {
            return Ok(Tensor::new(path, dtype, shape, id, bytes));
        }
        let data = TensorData::from_bytes(bytes, shape, dtype).convert_dtype(DType::F16);
        if let Some(number) = data.iter::<f32>().find(|number| !number.is_finite()) {
            let reason = format!("{path}: got {number} in half precision, wanted finite numbers");
            return Err(fault(CheckpointerError::Unknown(reason)));
        }
        let (bytes, shape, dtype) = data.into_parts();
        Ok(Tensor::new(path, dtype, shape, id, bytes))
    };
    let tensors = Reader::from_file(from).and_then(Reader::into_tensors).map_err(unreadable)?;
    let halved: Vec<Tensor> = tensors.into_iter().map(halved).collect::<Result<_, _>>()?;
    Ok(Writer::new(halved).into_bytes().map_err(unreadable)?.to_vec())
}
