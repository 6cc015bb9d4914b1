//! Checkpoints as Burn's trainer writes them: one directory per epoch, published atomically.
//!
//! Burn writes model, optimizer and schedule from three threads. Each writes into a hidden folder
//! beside; the last of them adds the state with its checksums and renames the folder. A run that is
//! killed leaves at worst a hidden folder, which the next run removes.

use super::dir::{AVERAGE, CheckpointDir, FORMAT, MODEL, OPTIMIZER, RULES, SCHEDULE, State, sign};
use crate::StopReason;
use crate::history::{History, LOSS, best};
use crate::stop::StopSignal;
use burn::store::ModuleRecord;
use burn::train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// The records that Burn knows nothing of.
pub(crate) struct OwnRecords {
    /// The averaged model.
    pub average: Option<ModuleRecord>,
    /// The memories of rules, as the bytes of their file, or why they cannot be read.
    pub rules: Result<Option<Vec<u8>>, String>,
}

/// The state that the three writers of a checkpoint share: the last of them publishes it.
pub(crate) struct CommitBarrier {
    pub directory: CheckpointDir,
    pub run: serde_json::Value,
    /// The versions that trained the run, each by its first epoch.
    pub versions: BTreeMap<usize, String>,
    pub history: History,
    pub signal: StopSignal,
    progress: Mutex<Written>,
    own: Mutex<HashMap<usize, OwnRecords>>,
}

#[derive(Default)]
struct Written {
    saved: HashMap<usize, u8>,
    dropped: HashMap<usize, u8>,
    /// A checkpoint failed: from then on nothing is removed.
    failed: bool,
}

impl CommitBarrier {
    pub fn new(
        directory: CheckpointDir,
        run: serde_json::Value,
        versions: BTreeMap<usize, String>,
        history: History,
        signal: StopSignal,
    ) -> Self {
        let (progress, own) = (Mutex::default(), Mutex::default());
        Self { directory, run, versions, history, signal, progress, own }
    }

    /// Adds records of our own to the checkpoint of an epoch, before the writers begin with it.
    pub fn attach(&self, epoch: usize, records: OwnRecords) {
        self.own().insert(epoch, records);
    }

    fn own(&self) -> MutexGuard<'_, HashMap<usize, OwnRecords>> {
        self.own.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes a complete checkpoint of a hidden folder.
    fn publish(&self, epoch: usize, stage: &Path) -> Result<(), CheckpointerError> {
        let none = OwnRecords { average: None, rules: Ok(None) };
        let OwnRecords { average, rules } = self.own().remove(&epoch).unwrap_or(none);
        let mut files = vec![MODEL, OPTIMIZER, SCHEDULE];
        if let Some(average) = average {
            Checkpoint::save(average, stage.join(AVERAGE))?;
            files.push(AVERAGE);
        }
        if let Some(rules) = rules.map_err(CheckpointerError::Unknown)? {
            write_synced(&stage.join(RULES), &rules).map_err(CheckpointerError::IOError)?;
            files.push(RULES);
        }
        self.complete(epoch, stage, &files).map_err(CheckpointerError::IOError)
    }

    fn complete(&self, epoch: usize, stage: &Path, files: &[&str]) -> io::Result<()> {
        let state = State {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            versions: self.versions.clone(),
            epoch,
            run: self.run.clone(),
            history: self.history.up_to(epoch),
            files: BTreeMap::new(),
            checksum: String::new(),
        };
        sign(stage, state, files)?;
        fs::rename(stage, self.directory.folder(epoch))?;
        // The rename itself must reach the disk before an older checkpoint goes.
        #[cfg(unix)]
        fs::File::open(&self.directory.root)?.sync_all()?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// One of the three writers.
pub(crate) struct RecordWriter {
    pub barrier: Arc<CommitBarrier>,
    pub file: &'static str,
}

impl<R: Checkpoint> Checkpointer<R> for RecordWriter {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let barrier = &self.barrier;
        let stage = barrier.directory.stage(epoch);
        let written = fs::create_dir_all(&stage)
            .map_err(CheckpointerError::IOError)
            .and_then(|()| record.save(stage.join(self.file)));
        let mut progress = barrier.lock();
        let saved = progress.saved.entry(epoch).or_default();
        *saved += u8::from(written.is_ok());
        let result = match (written, *saved) {
            (Ok(()), 3) => barrier.publish(epoch, &stage),
            (written, _) => written,
        };
        result.map_err(|source| {
            progress.failed = true;
            // Burn wants an error of its own, and the one who reads the run's keeps the typed one.
            let told = CheckpointerError::Unknown(source.to_string());
            barrier.signal.raise(StopReason::Checkpoint { epoch, source });
            told
        })
    }

    /// Removes a checkpoint at the third call. By then all three writers are past the saves that
    /// came before.
    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        let mut progress = self.barrier.lock();
        let dropped = progress.dropped.entry(epoch).or_default();
        *dropped += 1;
        if *dropped < 3 || progress.failed {
            return Ok(());
        }
        // Renamed first: a folder that is half removed must not look like a checkpoint.
        let trash = self.barrier.directory.trash(epoch);
        fs::rename(self.barrier.directory.folder(epoch), &trash)
            .and_then(|()| fs::remove_dir_all(&trash))
            .map_err(CheckpointerError::IOError)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        R::load(self.barrier.directory.folder(epoch).join(self.file))
    }
}

/// The strategy that keeps the last checkpoints and the best one.
pub(crate) struct KeepLastAndBest {
    pub last: usize,
    pub kept: BTreeSet<usize>,
    pub history: History,
    /// The work after an epoch before its checkpoint is written: false if none is to be.
    pub end_of_epoch: Box<dyn FnMut(usize) -> bool + Send>,
}

impl CheckpointingStrategy for KeepLastAndBest {
    fn checkpointing(
        &mut self,
        epoch: usize,
        store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        // The store works in its own thread; its answer means that the history has this epoch.
        store.find_metric(LOSS, epoch, Aggregate::Mean, &Split::Valid);
        if !(self.end_of_epoch)(epoch) {
            return Vec::new();
        }
        let best = best(&self.history.up_to(epoch));
        let spare = |old: &usize| old.saturating_add(self.last) <= epoch && Some(*old) != best;
        let old: Vec<usize> = self.kept.iter().copied().filter(spare).collect();
        self.kept.retain(|kept| !old.contains(kept));
        self.kept.insert(epoch);
        // Saved before anything is removed.
        let delete = old.into_iter().map(CheckpointingAction::Delete);
        std::iter::once(CheckpointingAction::Save).chain(delete).collect()
    }
}
