//! Checkpoints: results on disk while a run goes on, so that it survives a kill.
//!
//! A checkpoint is a folder. Its file `settings.json` says to which run it belongs: the settings by
//! name, and the answers of the models to a few images. Each result is an entry: a file that a kill
//! leaves complete or absent, with the hash of its content and of the data that it was made from. A
//! run continues in a folder with its own settings. If the folder belongs to an unfinished run with
//! other settings, the run refuses it and names the setting that differs. It replaces the
//! checkpoint of a finished run.

mod names;
mod probe;
mod settings;

pub(crate) use self::probe::Probe;
pub(crate) use self::settings::{Difference, Settings};

use self::names::{matching, remove};
use self::settings::LAYOUT;
use crate::EvaluationError;
use crate::files::{fingerprint, read_text, seal, unseal, write_whole};
use cni_attacks::AttackBatch;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// The file that says which run the others belong to.
pub(crate) const SETTINGS: &str = "settings.json";

/// The results of a run in a folder.
pub(crate) struct Checkpoint {
    folder: PathBuf,
    settings: Settings,
    /// True if the run on disk had finished: entries that do not fit are then removed.
    finished: Cell<bool>,
}

/// One result on disk, with the names of the entry and of its data.
#[derive(Serialize, Deserialize)]
struct Saved<T> {
    entry: String,
    data: String,
    content: T,
}

impl Checkpoint {
    /// Opens the checkpoint in a folder, or begins one. If the folder holds other settings, that is
    /// an error for an unfinished run; those of a finished run are replaced.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, EvaluationError> {
        let folder = folder.to_path_buf();
        let checkpoint = Self { folder, settings, finished: Cell::new(false) };
        let path = checkpoint.folder.join(SETTINGS);
        if path.exists() {
            checkpoint.take_up(&path)?;
        } else {
            checkpoint.begin()?;
        }
        Ok(checkpoint)
    }

    fn take_up(&self, path: &Path) -> Result<(), EvaluationError> {
        let value: Value = read_sealed(path)?;
        let Version { layout: got, finished } = parse(path, value.clone())?;
        if got != LAYOUT {
            let refused = EvaluationError::StateLayout { path: path.into(), got, wanted: LAYOUT };
            return if finished { self.begin_anew() } else { Err(refused) };
        }
        let old: Settings = parse(path, value)?;
        match self.settings.difference(&old) {
            None => self.finished.set(old.finished),
            Some(_) if old.finished => self.begin_anew()?,
            Some(difference) => return Err(self.refused(path, difference)),
        }
        Ok(())
    }

    /// Begins in a folder without settings. Entries in it belong to an unknown run and are not
    /// removed.
    fn begin(&self) -> Result<(), EvaluationError> {
        if let Some(path) = matching(&self.folder, &self.settings.files)?.into_iter().next() {
            let [setting, there, here] = [SETTINGS, "one", "none"].map(String::from);
            return Err(self.refused(&path, Difference { setting, there, here }));
        }
        self.write(false)
    }

    /// Removes the old checkpoint and begins a new one.
    fn begin_anew(&self) -> Result<(), EvaluationError> {
        clear(&self.folder, &self.settings.files)?;
        self.finished.set(false);
        self.write(false)
    }

    fn write(&self, finished: bool) -> Result<(), EvaluationError> {
        let mut settings = self.settings.clone();
        settings.finished = finished;
        write_whole(&self.folder.join(SETTINGS), seal(&settings).as_bytes())
    }

    fn refused(&self, path: &Path, difference: Difference) -> EvaluationError {
        let Difference { setting, there, here } = difference;
        let of = self.settings.of.clone();
        EvaluationError::State { path: path.to_path_buf(), setting, there, here, of }
    }

    /// Removes the entries of the folder `part` within, if the run had finished, and marks it as
    /// unfinished; true if it had finished.
    pub fn begin_part_anew(&self, part: &str) -> Result<bool, EvaluationError> {
        let finished = self.finished.replace(false);
        if finished {
            self.write(false)?;
            let of_part = |file: &&String| file.split_once('/').is_some_and(|(at, _)| at == part);
            let files: Vec<String> = self.settings.files.iter().filter(of_part).cloned().collect();
            remove(&self.folder, &files)?;
        }
        Ok(finished)
    }

    /// Notes that the run has finished.
    pub fn finish(&self) -> Result<(), EvaluationError> {
        self.write(true)
    }

    fn path(&self, entry: &str) -> PathBuf {
        self.folder.join(format!("{entry}.json"))
    }

    /// Loads the result of this name that was made from this data, if its file is there. `of` names
    /// the owner of the data in errors. If the data differ and the run had finished, all results
    /// are removed.
    pub fn load<T: DeserializeOwned>(
        &self,
        entry: &str,
        data: &str,
        of: &str,
    ) -> Result<Option<T>, EvaluationError> {
        let path = self.path(entry);
        if !path.exists() {
            return Ok(None);
        }
        let saved: Saved<T> = read_sealed(&path)?;
        if saved.entry != entry {
            let reason = format!("got the entry {}, wanted {entry}", saved.entry);
            return Err(EvaluationError::Damaged { path, line: None, reason });
        }
        if saved.data == data {
            return Ok(Some(saved.content));
        }
        if self.finished.get() {
            self.begin_anew()?;
            return Ok(None);
        }
        let (setting, here) = (format!("data of {of}"), data.to_string());
        Err(self.refused(&path, Difference { setting, there: saved.data, here }))
    }

    /// Saves a result. A kill leaves the file complete or absent.
    pub fn save(
        &self,
        entry: &str,
        data: &str,
        content: &impl Serialize,
    ) -> Result<(), EvaluationError> {
        let saved = Saved { entry: entry.to_string(), data: data.to_string(), content };
        write_whole(&self.path(entry), seal(&saved).as_bytes())
    }
}

/// The part of the settings that every version of the layout has.
#[derive(Deserialize)]
struct Version {
    layout: u32,
    finished: bool,
}

/// The identity of the examples of a batch: the hash of their pixels, labels and numbers.
pub(crate) fn data_of(batch: &AttackBatch) -> String {
    let numbers: Vec<u64> = (0..batch.len()).map(|row| batch.examples.id(row)).collect();
    let (pixels, labels) = (batch.images.to_data(), batch.goal.labels().to_data());
    let numbers = format!("{numbers:?}");
    fingerprint(&[numbers.as_bytes(), pixels.as_bytes(), labels.as_bytes()])[..16].to_string()
}

/// Removes the checkpoint of a finished run; that of an unfinished run stays.
pub(crate) fn remove_finished(folder: &Path) -> Result<(), EvaluationError> {
    let path = folder.join(SETTINGS);
    if !path.exists() {
        return Ok(());
    }
    let settings = read_sealed(&path).and_then(|value: Value| parse::<Settings>(&path, value));
    if let Ok(settings) = settings
        && settings.finished
    {
        clear(folder, &settings.files)?;
        // The call fails for a folder with files of others, which therefore stays.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(())
}

/// Removes the files of a checkpoint and no others.
fn clear(folder: &Path, files: &[String]) -> Result<(), EvaluationError> {
    remove(folder, files)?;
    // The settings go last: as long as they are there, the other files belong to them.
    remove(folder, &[SETTINGS.to_string()])
}

fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<T, EvaluationError> {
    unseal(read_text(path)?.as_bytes()).map_err(|error| damaged(path, error))
}

fn parse<T: DeserializeOwned>(path: &Path, value: Value) -> Result<T, EvaluationError> {
    serde_json::from_value(value).map_err(|error| damaged(path, error))
}

fn damaged(path: &Path, error: serde_json::Error) -> EvaluationError {
    let line = (error.line() > 0).then(|| error.line());
    EvaluationError::Damaged { path: path.to_path_buf(), line, reason: error.to_string() }
}
