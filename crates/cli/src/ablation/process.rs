//! A command of a run, as a process.

use super::tie::{LOCK, Tied};
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

/// Runs a command of a run to its end, and returns the reason if it failed. What it says goes to
/// `log.txt` in the folder of the run.
///
/// # Errors
///
/// A sentence if it cannot be started, or was killed: a run that was killed has not failed.
pub fn run_to_end(mut command: Command, folder: &Path) -> Result<Option<String>, Box<dyn Error>> {
    let path = folder.join("log.txt");
    let io = |error: std::io::Error| format!("{}: {error}", path.display());
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
    // Earlier attempts have their reasons there, which are not this one's.
    let before = log.metadata().map_err(io)?.len() as usize;
    command.stdout(log.try_clone().map_err(io)?).stderr(log);
    let program = command.get_program().to_owned();
    let tied = Tied::begin(&mut command, &folder.join(LOCK)).and_then(Tied::wait);
    let status = tied.map_err(|error| format!("{program:?}: {error}"))?;
    match status.code() {
        Some(0) => Ok(None),
        // A check of the audit that failed is a result.
        Some(3) => Ok(None),
        Some(_) => {
            let bytes = fs::read(&path).map_err(io)?;
            let text = String::from_utf8_lossy(bytes.get(before..).unwrap_or_default());
            let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
            let last = lines.clone().find_map(|line| line.strip_prefix("error: "));
            let reason = last.or(lines.next()).unwrap_or("no reason").to_string();
            Ok(Some(reason))
        }
        None => Err(format!("{}: killed ({status}); begin once more", folder.display()).into()),
    }
}
