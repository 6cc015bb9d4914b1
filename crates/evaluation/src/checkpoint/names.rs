//! Patterns of file names, and the removal of the files that match.

use crate::EvaluationError;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Removes the files of a folder that match the patterns, and then the folders within it that have
/// become empty. Other files stay.
pub(super) fn remove(folder: &Path, patterns: &[String]) -> Result<(), EvaluationError> {
    for path in matching(folder, patterns)? {
        std::fs::remove_file(&path).map_err(failed(&path))?;
    }
    for (within, _) in patterns.iter().filter_map(|pattern| pattern.split_once('/')) {
        // The call fails for a folder that is missing or not empty, which is intended.
        let _ = std::fs::remove_dir(folder.join(within));
    }
    Ok(())
}

/// The files of a folder that match the patterns, sorted. A pattern is a name, or a folder and a
/// name within it. A run of `#` stands for at least as many digits.
pub(super) fn matching(
    folder: &Path,
    patterns: &[String],
) -> Result<Vec<PathBuf>, EvaluationError> {
    let mut found = Vec::new();
    for pattern in patterns {
        let (within, name) = pattern.split_once('/').unwrap_or(("", pattern));
        let plain = |part: &str| {
            let mut parts = Path::new(part).components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        };
        // Such a name could lead to a file outside of the folder.
        if !plain(within) || !plain(name) {
            continue;
        }
        for path in entries(&folder.join(within))? {
            let of_file = path.file_name().and_then(|name| name.to_str());
            if path.is_file() && of_file.is_some_and(|of_file| follows(of_file, name)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The entries of a folder; none if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder)(error)),
    };
    let path =
        |entry: std::io::Result<std::fs::DirEntry>| Ok(entry.map_err(failed(folder))?.path());
    entries.map(path).collect()
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> EvaluationError {
    let path = path.to_path_buf();
    move |source| EvaluationError::Io { path: path.clone(), source }
}

/// True if a name matches a pattern.
fn follows(name: &str, pattern: &str) -> bool {
    let Some(at) = pattern.find('#') else {
        return name == pattern;
    };
    let Some(rest) = name.strip_prefix(&pattern[..at]) else {
        return false;
    };
    let after = pattern[at..].trim_start_matches('#');
    let fewest = pattern.len() - at - after.len();
    let others = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() - others.len() >= fewest && follows(others, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_followed_by_names_with_enough_digits() {
        let ours = |name| follows(name, "from-######-live-##.json");
        assert!(ours("from-000128-live-00.json") && ours("from-1000000-live-100.json"));
        let others = ["from-00128-live-00.json", "from-me-to-you.json", "from-000128-live-0.json"];
        assert!(!others.into_iter().any(ours) && !ours("from-000128-off-00.json"));
        assert!(follows("logits.json", "logits.json") && !follows("logits.jso", "logits.json"));
    }

    #[test]
    fn files_outside_the_folder_are_never_found() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("state");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(folder.path().join("mine.json"), "").unwrap();
        let absolute = folder.path().join("mine.json").display().to_string();
        let patterns = ["../mine.json".to_string(), absolute];
        assert!(matching(&inner, &patterns).unwrap().is_empty());
    }
}
