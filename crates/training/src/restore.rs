use crate::TrainingError;
use crate::checkpoint::{MODEL, Shelf};
use crate::history::best;
use burn::module::{Module, ModuleDisplay};
use burn::store::ModuleRecord;
use std::path::Path;

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

/// The model with the weights of a run's checkpoint, and the epoch they are from.
///
/// `model` is built as for the run, noise included. The result is a snapshot of it as by `valid()`, on its plain device;
/// clones of `model` keep their values.
///
/// # Errors
///
/// [`TrainingError::Checkpoint`] where the run has no such checkpoint, or one of another model.
pub fn load_checkpoint<N: Module + ModuleDisplay>(
    model: N,
    run: impl AsRef<Path>,
    which: Which,
) -> Result<(N, usize), TrainingError> {
    let root = run.as_ref().join("checkpoints");
    if !root.is_dir() {
        return Err(TrainingError::checkpoint(
            &root,
            "got no such folder, wanted a run's checkpoints",
        ));
    }
    let shelf = Shelf { root };
    let epochs = shelf.epochs()?;
    let none = || TrainingError::checkpoint(&shelf.root, format!("holds no checkpoint {which:?}"));
    let last = epochs.last().copied().ok_or_else(none)?;
    let epoch = match which {
        Which::Last => last,
        Which::Best => best(&shelf.state(last)?.history).unwrap_or(last),
        Which::Epoch(epoch) => epoch,
    };
    let path = shelf.folder(epoch).join(MODEL);
    if !path.is_file() {
        return Err(none());
    }
    #[derive(Module, Debug)]
    struct Saved<N: Module> {
        net: N,
    }
    let record =
        ModuleRecord::load(&path).map_err(|error| TrainingError::checkpoint(&path, error))?;
    // Clones share running statistics, and a failed load leaves a module half changed: load into a snapshot.
    let saved = Saved { net: model.valid() }
        .try_load_record(record)
        .map_err(|error| TrainingError::checkpoint(&path, error))?;
    Ok((saved.net, epoch))
}
