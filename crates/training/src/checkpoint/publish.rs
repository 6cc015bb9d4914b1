//! The weights of a checkpoint in a folder of their own, for others.

use super::dir::{AVERAGE, MODEL, sign, verify};
use super::restore::{CheckpointSelector, find};
use crate::{CheckpointFault, TrainingError};
use burn::tensor::{DType, TensorData};
use burn::train::checkpoint::CheckpointerError;
use burn_pack::{Reader, Tensor, Writer};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, absolute};

/// Publishes the weights of a run's checkpoint: writes them into a folder of their own, and returns
/// the epoch that they are of.
///
/// The folder has two files: `model.bpk` with the weights, averaged ones in a run that averages, and
/// `state.json` with the description of the run, its history and the checksums of both. It stands
/// for the run wherever only weights are read: in [`load_checkpoint`](crate::load_checkpoint),
/// [`load_run`](crate::load_run) and [`checkpoint_info`](crate::checkpoint_info).
///
/// With `half` the weights are rounded to IEEE half precision (f16): half the bytes, and another
/// model, whose accuracy is to be measured by itself. It is read in the precision that the model is
/// built with.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] if the run has no such checkpoint or a damaged one, if the folder
/// is there already and not empty or cannot be written, and if a weight is too large for half
/// precision (65,504). The folder is then as it was.
pub fn publish_checkpoint(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
    folder: impl AsRef<Path>,
    half: bool,
) -> Result<usize, TrainingError> {
    let (from, mut state) = find(run.as_ref(), selector)?;
    let file = if state.files.contains_key(AVERAGE) { AVERAGE } else { MODEL };
    verify(&from, &state, file)?;
    let (epoch, weights) = (state.epoch, from.join(file));
    state.files.clear();
    let folder = folder.as_ref();
    let failed = |error| TrainingError::io(folder, error);
    // A rename replaces an empty folder and no other; not all systems say so, or the same.
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let wanted = "holds files already, wanted a new folder";
        return Err(failed(io::Error::new(ErrorKind::AlreadyExists, wanted)));
    }
    let whole = absolute(folder).map_err(failed)?;
    let beside = whole.parent().unwrap_or(&whole);
    fs::create_dir_all(beside).map_err(failed)?;
    let stage = tempfile::Builder::new().prefix(".publish-").tempdir_in(beside).map_err(failed)?;
    let model = stage.path().join(MODEL);
    match half {
        true => write_half(&weights, &model)?,
        false => fs::copy(&weights, &model).map(drop).map_err(failed)?,
    }
    let publish = || {
        sign(stage.path(), state, &[MODEL])?;
        readable_by_others(stage.path())?;
        if folder.exists() {
            fs::remove_dir(folder)?;
        }
        fs::rename(stage.path(), folder)
    };
    publish().map_err(failed)?;
    // There is nothing left to remove.
    let _ = stage.keep();
    Ok(epoch)
}

/// Writes the tensors of a record in half precision.
fn write_half(from: &Path, to: &Path) -> Result<(), TrainingError> {
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
    Writer::new(halved).write_to_file(to).map_err(unreadable)
}

/// Gives a folder that was made for a moment the rights of one that stays.
#[cfg(unix)]
fn readable_by_others(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // As `mkdir` and the usual mask have it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> io::Result<()> {
    Ok(())
}
