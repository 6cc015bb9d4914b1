//! The folder of an evaluation: one process at a time, and no file of somebody else.

use crate::output::Output;
use cni_burn::evaluation::flatness::FlatnessRecords;
use cni_burn::prelude::Record;
use serde_json::Value;
use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The right to write an evaluation to a folder, until it is dropped or the process ends.
pub struct Place(#[expect(dead_code, reason = "an open file holds the lock")] Option<File>);

impl Place {
    /// Takes the folder, which is made if it is missing, for an evaluation of the model with this
    /// fingerprint. Nothing in it is touched but the file `.lock`.
    ///
    /// # Errors
    ///
    /// A sentence about the file that another process or somebody else has there.
    pub fn take(out: &Path, fingerprint: &str, output: Output) -> Result<Self, Box<dyn Error>> {
        let place = lock(out)?;
        let record = out.join("record.json");
        if record.exists() {
            let before = Record::read(&record)?.model;
            if before.fingerprint != fingerprint {
                let (out, name) = (out.display(), before.name);
                output.say(format_args!("{out}: its evaluation of {name} will be replaced"))?;
            }
        } else {
            refuse_others(out, &["rows.jsonl", "report.html", "report.md"])?;
        }
        Ok(place)
    }

    /// Takes the folder for a measurement of flatness, beside whatever else is there.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn take_for_flatness(out: &Path, output: Output) -> Result<Self, Box<dyn Error>> {
        let place = lock(out)?;
        if out.join(FlatnessRecords::FILE).exists() {
            FlatnessRecords::read(out)?;
            let out = out.display();
            output.say(format_args!("{out}: its measurement of flatness will be replaced"))?;
        } else {
            refuse_others(out, &["flatness.html", "flatness.md"])?;
        }
        Ok(place)
    }

    /// Takes the folder of a shard, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// A sentence if another process is at work there.
    pub fn of_shard(folder: &Path) -> Result<Self, Box<dyn Error>> {
        lock(folder)
    }
}

fn lock(out: &Path) -> Result<Place, Box<dyn Error>> {
    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let path = out.join(".lock");
    let io = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::options().create(true).append(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Place(Some(file))),
        Err(TryLockError::WouldBlock) => {
            let at = "another evaluation is at work in this folder";
            Err(format!("{}: {at}, wanted one at a time", out.display()).into())
        }
        // Some network file systems have no locks. There the user has to take care.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Place(None))
        }
        Err(TryLockError::Error(error)) => Err(io(error).into()),
    }
}

/// Refuses a file in the place of one that the library writes, in a folder without a record. A
/// report of its own has a manifest.
fn refuse_others(out: &Path, names: &[&str]) -> Result<(), Box<dyn Error>> {
    let Some(path) = of_others(out, names) else { return Ok(()) };
    let wanted = "wanted a folder of evaluations, or one without this file";
    Err(format!("{}: a file that no evaluation has written, {wanted}", path.display()).into())
}

fn of_others(out: &Path, names: &[&str]) -> Option<PathBuf> {
    let manifest = out.join("manifest.json");
    let read = fs::read(&manifest).map(|bytes| serde_json::from_slice::<Value>(&bytes));
    match read {
        Ok(Ok(manifest)) if manifest.get("layout").is_some() => None,
        Ok(_) => Some(manifest),
        Err(_) => names.iter().map(|name| out.join(name)).find(|path| path.exists()),
    }
}
