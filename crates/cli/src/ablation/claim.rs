//! The lock of a run, by which one process at a time is at it.

use std::error::Error;
use std::fs::{File, TryLockError};
use std::path::Path;

/// The lock of a file; `None` if another process has it.
pub fn claim(path: &Path) -> Result<Option<File>, Box<dyn Error>> {
    let io = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::options().create(true).append(true).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // Some network file systems have no locks. There the user has to take care.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            Ok(Some(file))
        }
        Err(TryLockError::Error(error)) => Err(io(error).into()),
    }
}
