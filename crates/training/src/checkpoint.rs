//! Checkpoints as Burn's trainer writes them: one folder an epoch, complete or not there.
//!
//! Burn writes model, optimizer and schedule from three threads. Each writes into a hidden folder
//! beside; the last of them adds the state with its checksums and renames the folder. A run that is
//! killed leaves at worst a hidden folder, which the next run removes.

use crate::StopReason;
use crate::history::{History, best};
use crate::shelf::{Shelf, State, sign};
use crate::stop::Fault;
use crate::watch::Watch;
use burn::train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What the three writers of a checkpoint share.
pub(crate) struct Writers {
    pub shelf: Shelf,
    pub run: serde_json::Value,
    /// The versions that trained the run, each by its first epoch.
    pub versions: BTreeMap<usize, String>,
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
    pub fn new(
        shelf: Shelf,
        run: serde_json::Value,
        versions: BTreeMap<usize, String>,
        history: History,
        fault: Fault,
    ) -> Self {
        Self { shelf, run, versions, history, fault, progress: Mutex::default() }
    }

    /// Makes a complete checkpoint of a hidden folder.
    fn publish(&self, epoch: usize, stage: &Path) -> io::Result<()> {
        let state = State {
            version: env!("CARGO_PKG_VERSION").to_string(),
            versions: self.versions.clone(),
            epoch,
            run: self.run.clone(),
            history: self.history.up_to(epoch),
            files: BTreeMap::new(),
            checksum: String::new(),
        };
        sign(stage, state)?;
        fs::rename(stage, self.shelf.folder(epoch))?;
        // The rename itself must reach the disk before an older checkpoint goes.
        #[cfg(unix)]
        fs::File::open(&self.shelf.root)?.sync_all()?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
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
        let stage = writers.shelf.stage(epoch);
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
        result.map_err(|source| {
            progress.failed = true;
            // Burn wants an error of its own, and the one who reads the run's keeps the typed one.
            let told = CheckpointerError::Unknown(source.to_string());
            writers.fault.raise(StopReason::Checkpoint { epoch, source });
            told
        })
    }

    /// Removes a checkpoint at the third call. By then all three writers are past the saves that
    /// came before.
    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        let mut progress = self.writers.lock();
        let dropped = progress.dropped.entry(epoch).or_default();
        *dropped += 1;
        if *dropped < 3 || progress.failed {
            return Ok(());
        }
        // Renamed first: a folder that is half removed must not look like a checkpoint.
        let grave = self.writers.shelf.grave(epoch);
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
    /// Draws of the model's noise that validation judges each example by.
    pub draws: usize,
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
        self.history.complete(epoch, self.draws, self.watch.take());
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
