//! Checkpoints: one folder an epoch, complete or not there.
//!
//! Burn writes model, optimizer and schedule from three threads. Each writes into a hidden folder beside; the last of them
//! adds `state.json` and renames the folder. A run that is killed leaves at worst a hidden folder, which the next start
//! removes.

use crate::TrainingError;
use crate::history::{EpochRow, History, best};
use crate::trainee::Fault;
use crate::watch::Watch;
use burn::store::ModuleRecord;
use burn::train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(crate) const MODEL: &str = "model.bpk";
pub(crate) const OPTIMIZER: &str = "optimizer.bpk";
pub(crate) const SCHEDULE: &str = "schedule.bpk";
const STATE: &str = "state.json";

/// What a checkpoint says of its run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub version: String,
    pub epoch: usize,
    /// The configuration: a run resumes only its own checkpoints.
    pub run: serde_json::Value,
    pub history: Vec<EpochRow>,
}

/// The checkpoints of a run, in a folder of their own.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub root: PathBuf,
}

impl Shelf {
    /// The shelf of a run's folder. What a killed run left half-written is removed.
    pub fn open(run: &Path) -> Result<Self, TrainingError> {
        let root = run.join("checkpoints");
        let io = |error: io::Error| TrainingError::checkpoint(&root, error);
        fs::create_dir_all(&root).map_err(io)?;
        for entry in fs::read_dir(&root).map_err(io)? {
            let entry = entry.map_err(io)?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                .map_err(io)?;
        }
        Ok(Self { root })
    }

    pub fn folder(&self, epoch: usize) -> PathBuf {
        self.root.join(format!("epoch-{epoch}"))
    }

    /// The epochs that have a checkpoint.
    pub fn epochs(&self) -> Result<BTreeSet<usize>, TrainingError> {
        let io = |error: io::Error| TrainingError::checkpoint(&self.root, error);
        let names = fs::read_dir(&self.root).map_err(io)?;
        let names = names.map(|entry| entry.map(|entry| entry.file_name()));
        let names: Vec<_> = names.collect::<Result<_, _>>().map_err(io)?;
        let epoch = |name: &str| name.strip_prefix("epoch-")?.parse().ok();
        Ok(names.iter().filter_map(|name| epoch(name.to_str()?)).collect())
    }

    /// The state of an epoch, once its files have been found readable.
    pub fn state(&self, epoch: usize) -> Result<State, TrainingError> {
        let folder = self.folder(epoch);
        let path = folder.join(STATE);
        let text = fs::read(&path).map_err(|error| TrainingError::checkpoint(&path, error))?;
        let state = serde_json::from_slice(&text)
            .map_err(|error| TrainingError::checkpoint(&path, error))?;
        // Burn panics on a record it cannot read, so they are read once before.
        fn readable<R: Checkpoint>(path: PathBuf) -> Result<(), TrainingError> {
            R::load(path.clone())
                .map(drop)
                .map_err(|error| TrainingError::checkpoint(&path, format!("{error:?}")))
        }
        readable::<ModuleRecord>(folder.join(MODEL))?;
        readable::<burn::optim::OptimizerRecord>(folder.join(OPTIMIZER))?;
        readable::<burn::lr_scheduler::LrSchedulerRecord>(folder.join(SCHEDULE))?;
        Ok(state)
    }
}

/// What the three writers of a checkpoint share.
pub(crate) struct Writers {
    pub shelf: Shelf,
    pub run: serde_json::Value,
    pub history: History,
    pub fault: Fault,
    progress: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    saved: HashMap<usize, u8>,
    dropped: HashMap<usize, u8>,
    /// A checkpoint failed: from then on nothing is removed.
    failed: bool,
}

impl Writers {
    pub fn new(shelf: Shelf, run: serde_json::Value, history: History, fault: Fault) -> Self {
        Self { shelf, run, history, fault, progress: Mutex::default() }
    }

    /// Makes a complete checkpoint of a hidden folder.
    fn publish(&self, epoch: usize, stage: &Path) -> io::Result<()> {
        let state = State {
            version: env!("CARGO_PKG_VERSION").to_string(),
            epoch,
            run: self.run.clone(),
            history: self.history.up_to(epoch),
        };
        let mut file = File::create(stage.join(STATE))?;
        file.write_all(&serde_json::to_vec_pretty(&state)?)?;
        file.sync_all()?;
        fs::rename(stage, self.shelf.folder(epoch))?;
        // The rename itself must reach the disk before an older checkpoint goes.
        #[cfg(unix)]
        File::open(&self.shelf.root)?.sync_all()?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Written> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One of the three writers.
pub(crate) struct Part {
    pub writers: Arc<Writers>,
    pub file: &'static str,
}

impl<R: Checkpoint> Checkpointer<R> for Part {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let writers = &self.writers;
        let stage = writers.shelf.root.join(format!(".epoch-{epoch}"));
        let written = fs::create_dir_all(&stage)
            .map_err(CheckpointerError::IOError)
            .and_then(|()| record.save(stage.join(self.file)));
        let mut progress = writers.lock();
        let saved = progress.saved.entry(epoch).or_default();
        *saved += u8::from(written.is_ok());
        let result = match (written, *saved) {
            (Ok(()), 3) => writers.publish(epoch, &stage).map_err(CheckpointerError::IOError),
            (written, _) => written,
        };
        if let Err(error) = &result {
            progress.failed = true;
            writers.fault.raise(format!("the checkpoint of epoch {epoch} failed: {error:?}"));
        }
        result
    }

    /// Removes a checkpoint at the third call. By then all three writers are past the saves that came before.
    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        let mut progress = self.writers.lock();
        let dropped = progress.dropped.entry(epoch).or_default();
        *dropped += 1;
        if *dropped < 3 || progress.failed {
            return Ok(());
        }
        // Renamed first: a folder that is half removed must not look like a checkpoint.
        let grave = self.writers.shelf.root.join(format!(".drop-{epoch}"));
        fs::rename(self.writers.shelf.folder(epoch), &grave)
            .and_then(|()| fs::remove_dir_all(&grave))
            .map_err(CheckpointerError::IOError)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        R::load(self.writers.shelf.folder(epoch).join(self.file))
    }
}

/// Keeps the last checkpoints and the best one.
pub(crate) struct Retain {
    pub last: usize,
    pub kept: BTreeSet<usize>,
    pub history: History,
    pub watch: Watch,
}

impl CheckpointingStrategy for Retain {
    fn checkpointing(
        &mut self,
        epoch: usize,
        store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        // The store works in its own thread; its answer means that the history has this epoch.
        store.find_metric(crate::metrics::NAMES[0], epoch, Aggregate::Mean, &Split::Valid);
        self.history.watch(epoch, self.watch.take());
        let best = best(&self.history.up_to(epoch));
        let spare = |old: &usize| old + self.last <= epoch && Some(*old) != best;
        let old: Vec<usize> = self.kept.iter().copied().filter(spare).collect();
        self.kept.retain(|kept| !old.contains(kept));
        self.kept.insert(epoch);
        // Saved before anything is removed.
        let delete = old.into_iter().map(CheckpointingAction::Delete);
        std::iter::once(CheckpointingAction::Save).chain(delete).collect()
    }
}
