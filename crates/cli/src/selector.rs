//! The names that `--checkpoint` takes: of epochs, of paths into a run, of PyTorch files.

use cni_burn::training::CheckpointSelector;
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The checkpoint of a run that a text names: best, last or the number of an epoch.
pub fn selector(text: &str) -> Option<CheckpointSelector> {
    match text {
        "best" => Some(CheckpointSelector::Best),
        "last" => Some(CheckpointSelector::Last),
        epoch => epoch.parse().ok().map(CheckpointSelector::Epoch),
    }
}

/// The run, and the epoch, that a path such as `runs/cni/checkpoints/epoch-8/model.bpk` leads into.
pub fn within_run(path: &Path) -> Result<(PathBuf, CheckpointSelector), Box<dyn Error>> {
    let of_epoch = |folder: &Path| -> Option<(PathBuf, CheckpointSelector)> {
        let epoch = folder.file_name()?.to_str()?.strip_prefix("epoch-")?.parse().ok()?;
        let run = folder.parent()?.parent().filter(|run| !run.as_os_str().is_empty())?;
        Some((run.to_path_buf(), CheckpointSelector::Epoch(epoch)))
    };
    // A relative path can begin below the run's folder.
    let whole = std::path::absolute(path)?;
    let mut ways = path.ancestors().chain(whole.ancestors());
    let found = ways.find_map(of_epoch).filter(|_| path.exists());
    found.ok_or_else(|| {
        format!(
            "--checkpoint: got {}, wanted best, last, a number, an existing file or folder among \
             a run's checkpoints (such as checkpoints/epoch-8) or a PyTorch file \
             (.pt, .pth, .th, .tar)",
            path.display()
        )
        .into()
    })
}

/// True for the extensions of PyTorch files.
pub fn is_pytorch(extension: &OsStr) -> bool {
    ["pt", "pth", "th", "tar"].iter().any(|of| extension == *of)
}
