//! The files of an evaluation's state: their names, and their removal.

use crate::{EvaluationError, NoiseState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that says what evaluation the others belong to.
pub(crate) const SETTINGS: &str = "settings.json";

/// The folder of the audit's state within that of the evaluation.
pub(crate) const CHECKUP: &str = "audit";

/// The name of a batch's certificates.
pub(crate) const CERTIFICATES: &str = "certificates";

/// Removes the files that this library writes into the folder of a state, and no others.
pub(crate) fn clear(folder: &Path) -> Result<(), EvaluationError> {
    clear_checkup(folder)?;
    remove_files(folder, is_ours)?;
    // Last: as long as it is there, the rest belongs to it.
    remove_files(folder, |name| name == SETTINGS)
}

/// Whether a file has a name that [`State::path`] gives.
pub(crate) fn is_ours(name: &str) -> bool {
    let stem = name.strip_prefix("from-").and_then(|name| name.strip_suffix(".json"));
    let parts: Vec<&str> = stem.unwrap_or_default().split('-').collect();
    let number = |text: &str, digits: usize| {
        text.len() >= digits && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let states = [NoiseState::Live, NoiseState::Off, NoiseState::Fixed];
    let state = |text: &str| states.iter().any(|state| state.to_string() == text);
    match parts[..] {
        [first, CERTIFICATES] => number(first, 6),
        [first, noise, index] => number(first, 6) && state(noise) && number(index, 2),
        _ => false,
    }
}

/// Removes the files of the audit.
pub(crate) fn clear_checkup(folder: &Path) -> Result<(), EvaluationError> {
    let check = |name: &str| {
        let stem = name.strip_suffix(".json");
        stem.is_some_and(|stem| crate::audit::Audit::names().any(|known| known == stem))
    };
    let audit = folder.join(CHECKUP);
    remove_files(&audit, check)?;
    let _ = std::fs::remove_dir(&audit);
    Ok(())
}

fn remove_files(folder: &Path, ours: impl Fn(&str) -> bool) -> Result<(), EvaluationError> {
    for path in files(folder, ours)? {
        std::fs::remove_file(&path).map_err(|source| EvaluationError::Io { path, source })?;
    }
    Ok(())
}

/// The files of a folder that have such names, sorted.
pub(crate) fn files(
    folder: &Path,
    ours: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, EvaluationError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| EvaluationError::Io { path, source }
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(folder)(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_file() && path.file_name().and_then(|name| name.to_str()).is_some_and(&ours) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
