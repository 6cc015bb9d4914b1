//! The folder of a result: one process at a time, no file of somebody else, and no finished result
//! replaced without a word.

use crate::output::Output;
use clap::Args;
use cni_burn::evaluation::flatness::FlatnessRecords;
use cni_burn::evaluation::{AdversarialImages, OtherSetting};
use cni_burn::prelude::Record;
use serde_json::Value;
use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The flag that replaces a finished result.
#[derive(Args, Clone, Copy)]
pub struct Force {
    /// Replace a finished result of other settings in the folder that is written to. Without this
    /// flag it is refused, and the setting that differs is named.
    #[arg(long)]
    pub force: bool,
}

impl Force {
    /// Refuses to replace a finished `what` in a folder by one that differs from it, unless that
    /// was asked for. One of the same settings is made once more.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting, both values and the way out.
    pub fn allows(
        self,
        out: &Path,
        what: &str,
        difference: Option<impl Display>,
        output: Output,
    ) -> Result<(), Box<dyn Error>> {
        let out = out.display();
        match difference {
            None => output.say(format_args!("{out}: its {what} of these settings is made anew"))?,
            Some(difference) if self.force => {
                output.say(format_args!("{out}: its {what} will be replaced ({difference})"))?;
            }
            Some(difference) => {
                let way = "take another --out, or --force to replace it";
                return Err(format!("{out}: holds a finished {what}: {difference}; {way}").into());
            }
        }
        Ok(())
    }
}

/// A setting that differs, by the flag that a user knows it by: the key of everything random comes
/// from `--seed`.
pub fn of_seed(mut setting: OtherSetting, seed: u64) -> OtherSetting {
    if setting.setting == "key" {
        setting.setting = "seed".to_string();
        setting.got = seed.to_string();
        setting.wanted = "that of the result there".to_string();
    }
    setting
}

/// Removes the adversarial images of an evaluation that is replaced by one that keeps none. A
/// sentence says so, if there were some.
///
/// # Errors
///
/// A sentence about a file that cannot be removed.
pub fn remove_adversarial(out: &Path) -> Result<Option<String>, Box<dyn Error>> {
    let folder = out.join("adversarial");
    if !folder.is_dir() || AdversarialImages::remove(&folder)? == 0 {
        return Ok(None);
    }
    let removed = "the adversarial images of the evaluation before are removed";
    Ok(Some(format!("{}: {removed}", folder.display())))
}

/// The right to write an evaluation to a folder, until it is dropped or the process ends.
pub struct Place(#[expect(dead_code, reason = "an open file holds the lock")] Option<File>);

impl Place {
    /// Takes the folder, which is made if it is missing, for an evaluation; with the record that it
    /// holds already, if it does. Nothing in it is touched but the file `.lock`.
    ///
    /// # Errors
    ///
    /// A sentence about the file that another process or somebody else has there.
    pub fn take(out: &Path) -> Result<(Self, Option<Record>), Box<dyn Error>> {
        let place = lock(out)?;
        let record = record_in(out)?;
        if record.is_none() {
            refuse_others(out, &["rows.jsonl", "report.html", "report.md"])?;
            let report = out.join("report.md");
            if report.exists() {
                let path = report.display();
                let wanted = "wanted a folder without one";
                return Err(format!("{path}: the report of other evaluations, {wanted}").into());
            }
        }
        Ok((place, record))
    }

    /// Takes the folder for a measurement of flatness, beside whatever else is there; with the
    /// records that it holds already.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn take_for_flatness(
        out: &Path,
    ) -> Result<(Self, Option<FlatnessRecords>), Box<dyn Error>> {
        let place = lock(out)?;
        if out.join(FlatnessRecords::FILE).exists() {
            return Ok((place, Some(FlatnessRecords::read(out)?)));
        }
        refuse_others(out, &["flatness.html", "flatness.md"])?;
        Ok((place, None))
    }

    /// Takes the folder for a report; with the title of the one that it holds already.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn take_for_report(out: &Path) -> Result<(Self, Option<String>), Box<dyn Error>> {
        let place = lock(out)?;
        Self::refuse_report_of_others(out)?;
        let before = fs::read_to_string(out.join("report.md")).ok();
        Ok((place, before.map(|text| title(&text))))
    }

    /// Refuses a folder whose report somebody else has written.
    ///
    /// # Errors
    ///
    /// A sentence about the file.
    pub fn refuse_report_of_others(out: &Path) -> Result<(), Box<dyn Error>> {
        match record_in(out)? {
            Some(_) => Ok(()),
            None => refuse_others(out, &["report.html", "report.md"]),
        }
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

/// The record in a folder, if there is one.
fn record_in(out: &Path) -> Result<Option<Record>, Box<dyn Error>> {
    let path = out.join("record.json");
    if !path.exists() {
        return Ok(None);
    }
    let wanted = "wanted the record of an evaluation, or a folder without this file";
    Ok(Some(Record::read(&path).map_err(|error| format!("{error}; {wanted}"))?))
}

/// The title of a report in Markdown: what it is about.
pub fn title(markdown: &str) -> String {
    markdown.lines().next().unwrap_or_default().trim_start_matches("# ").to_string()
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
        Ok(Ok(manifest)) if manifest.pointer("/content/layout").is_some() => None,
        Ok(_) => Some(manifest),
        Err(_) => names.iter().map(|name| out.join(name)).find(|path| path.exists()),
    }
}
