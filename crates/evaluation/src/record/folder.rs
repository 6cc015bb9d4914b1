//! A folder that holds one result. Its files are replaced together, and a file that has changed
//! since it was written is not read.
//!
//! `manifest.json` lists the files that this library wrote, with their checksums and a checksum of
//! its own. New files first go into the folder `.new`; the new manifest is the last of them. From
//! then on they are the result, even if a kill prevents that they move. Then they move to their
//! places. Reading and writing share this file because reading must complete what a killed write
//! has begun.

use crate::EvaluationError;
use crate::files::{fingerprint, read_text, seal, unseal, write_whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that lists the others.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The folder for new files until all of them are complete.
const NEW: &str = ".new";

/// The version of the manifest's layout.
const LAYOUT: u32 = 1;

/// The owner of a file: the kind of result that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// An evaluation. A report in its folder is of the same result, so a new evaluation removes an
    /// old report.
    Evaluation,
    /// A report.
    Report,
    /// A record of flatness with its page, which no evaluation of the same folder touches.
    Flatness,
}

/// The manifest: the files that this library wrote into a folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    layout: u32,
    /// The files by their paths within the folder, with `/` between the parts.
    files: BTreeMap<String, Written>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    owner: Owner,
    sha256: String,
}

impl Manifest {
    fn has(&self, owner: Owner) -> bool {
        self.files.values().any(|written| written.owner == owner)
    }
}

/// A folder with a manifest, or one of an early version, without.
pub(crate) struct Folder {
    path: PathBuf,
    manifest: Option<Manifest>,
    /// True if a kill has left new files that have not yet moved to their places.
    moving: bool,
}

impl Folder {
    pub fn open(path: &Path) -> Result<Self, EvaluationError> {
        let read = |file: &Path| -> Result<Option<Manifest>, EvaluationError> {
            if !file.exists() {
                return Ok(None);
            }
            let damaged =
                |line, reason| EvaluationError::Damaged { path: file.to_path_buf(), line, reason };
            let manifest: Manifest = unseal(read_text(file)?.as_bytes())
                .map_err(|error| damaged(Some(error.line()), error.to_string()))?;
            if manifest.layout != LAYOUT {
                let reason = format!("layout: got {}, wanted {LAYOUT}", manifest.layout);
                return Err(damaged(None, reason));
            }
            if let Some(name) = manifest.files.keys().find(|name| !is_inside(name)) {
                return Err(damaged(
                    None,
                    format!("got the name {name:?}, wanted one in the folder"),
                ));
            }
            Ok(Some(manifest))
        };
        let new = read(&path.join(NEW).join(MANIFEST))?;
        let moving = new.is_some();
        let manifest = match new {
            Some(new) => Some(new),
            None => read(&path.join(MANIFEST))?,
        };
        Ok(Self { path: path.to_path_buf(), manifest, moving })
    }

    /// The current path of a file.
    fn place(&self, name: &str) -> PathBuf {
        let new = self.path.join(NEW).join(name);
        if self.moving && new.exists() { new } else { self.path.join(name) }
    }

    /// The content of a file, after its checksum has been compared; `None` if there is no such
    /// file.
    ///
    /// A folder without a manifest, or with one that lists no file of an evaluation, holds an
    /// evaluation of an early version of the library, which wrote no checksums. A later version may
    /// have added a report.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, EvaluationError> {
        let path = self.place(name);
        let written = match &self.manifest {
            Some(manifest) => match manifest.files.get(name) {
                Some(written) => Some(written),
                None if manifest.has(Owner::Evaluation) => return Ok(None),
                None => None,
            },
            None => None,
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound && written.is_none() => {
                return Ok(None);
            }
            Err(source) => return Err(EvaluationError::Io { path, source }),
        };
        if let Some(written) = written {
            let got = fingerprint(&[&bytes]);
            if got != written.sha256 {
                return Err(EvaluationError::Checksum {
                    path,
                    got,
                    wanted: written.sha256.clone(),
                });
            }
        }
        Ok(Some(bytes))
    }

    /// Moves the new files that a kill has left to their places.
    fn settle(&mut self) -> Result<(), EvaluationError> {
        let Some(manifest) = self.manifest.as_ref().filter(|_| self.moving) else {
            return Ok(());
        };
        let new = self.path.join(NEW);
        // Files that the old manifest lists and the new one does not.
        let before = Self { moving: false, ..Self::at_rest(&self.path)? };
        for (name, written) in before.manifest.iter().flat_map(|manifest| &manifest.files) {
            if is_inside(name) && !manifest.files.contains_key(name) {
                remove_unchanged(&self.path, name, written)?;
            }
        }
        for name in manifest.files.keys() {
            let from = new.join(name);
            if from.exists() {
                rename(&from, &self.path.join(name))?;
            }
        }
        rename(&new.join(MANIFEST), &self.path.join(MANIFEST))?;
        remove_empty(&new);
        self.moving = false;
        Ok(())
    }

    /// The folder as the manifest in its place describes it, without the new files.
    fn at_rest(path: &Path) -> Result<Self, EvaluationError> {
        let file = path.join(MANIFEST);
        let manifest = match file.exists() {
            // A manifest that cannot be read lists no file that could be removed.
            true => unseal(read_text(&file)?.as_bytes()).ok(),
            false => None,
        };
        Ok(Self { path: path.to_path_buf(), manifest, moving: false })
    }
}

/// Replaces all files of an owner in a folder at once. A kill leaves either the old files or the
/// new ones. A missing folder is made.
///
/// `owner` is the kind of result; a new evaluation also replaces the files of a report. Names are
/// paths within the folder, with `/` between the parts. A file of the same name is overwritten,
/// whoever wrote it. All other files of others stay. Files that this library wrote and that were
/// changed since stay as well, and no longer belong to it.
///
/// # Errors
///
/// [`EvaluationError::Io`] if a file cannot be written; [`EvaluationError::Damaged`] for a manifest
/// that cannot be read.
///
/// # Panics
///
/// If a name leads out of the folder.
pub fn replace_files(
    folder: &Path,
    owner: Owner,
    files: Vec<(String, Vec<u8>)>,
) -> Result<(), EvaluationError> {
    let mut place = Folder::open(folder)?;
    place.settle()?;
    let new = folder.join(NEW);
    // Incomplete files that a kill has left.
    clear(&new)?;
    let kept = |written: &Written| match (owner, written.owner) {
        (Owner::Flatness, of) => of != Owner::Flatness,
        (_, Owner::Flatness) => true,
        (owner, of) => owner == Owner::Report && of == Owner::Evaluation,
    };
    let mut listed: BTreeMap<String, Written> = place.manifest.map_or_else(BTreeMap::new, |old| {
        old.files.into_iter().filter(|(_, written)| kept(written)).collect()
    });
    for (name, bytes) in files {
        assert!(is_inside(&name), "{name:?} is a path within the folder");
        write_whole(&new.join(&name), &bytes)?;
        listed.insert(name, Written { owner, sha256: fingerprint(&[&bytes]) });
    }
    let manifest = Manifest { layout: LAYOUT, files: listed };
    let text = seal(&manifest) + "\n";
    write_whole(&new.join(MANIFEST), text.as_bytes())?;
    Folder { path: folder.to_path_buf(), manifest: Some(manifest), moving: true }.settle()
}

/// True if a name is that of a file within the folder.
fn is_inside(name: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | ".." | NEW) && !part.contains(['\\', ':']);
    !name.is_empty() && name != MANIFEST && name.split('/').all(part)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> EvaluationError {
    let path = path.to_path_buf();
    move |source| EvaluationError::Io { path, source }
}

fn rename(from: &Path, to: &Path) -> Result<(), EvaluationError> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    std::fs::rename(from, to).map_err(failed(to))
}

/// Removes a file, and then its folder if that is empty, unless the file has changed since it was
/// written.
fn remove_unchanged(folder: &Path, name: &str, written: &Written) -> Result<(), EvaluationError> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(bytes) if fingerprint(&[&bytes]) == written.sha256 => {
            std::fs::remove_file(&path).map_err(failed(&path))?;
            if let (true, Some(parent)) = (name.contains('/'), path.parent()) {
                let _ = std::fs::remove_dir(parent);
            }
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed(&path)(source)),
    }
}

/// Removes the folder of new files, which only this library uses.
fn clear(new: &Path) -> Result<(), EvaluationError> {
    match std::fs::remove_dir_all(new) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(new)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder if it contains nothing but empty folders.
fn remove_empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_empty(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        all.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect()
    }

    fn read(folder: &Path, name: &str) -> Option<String> {
        let bytes = Folder::open(folder).unwrap().read(name).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_folder_holds_one_result_and_the_files_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        replace_files(at, Owner::Evaluation, files(&[("a", "1"), ("b", "1")])).unwrap();
        let report = [("r", "1"), ("figures/x", "1"), ("figures/y", "1")];
        replace_files(at, Owner::Report, files(&report)).unwrap();
        std::fs::write(at.join("notes"), "mine").unwrap();
        std::fs::write(at.join("figures/y"), "changed by hand").unwrap();
        assert_eq!(read(at, "a").as_deref(), Some("1"));
        replace_files(at, Owner::Evaluation, files(&[("a", "2")])).unwrap();
        assert_eq!((read(at, "a").as_deref(), read(at, "b")), (Some("2"), None));
        let mut left: Vec<String> = std::fs::read_dir(at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a", "figures", MANIFEST, "notes"]);
        assert!(at.join("figures/y").exists() && !at.join("figures/x").exists());
        assert_eq!(read(at, "notes"), None);
    }

    /// However many files have moved when the kill comes, the folder reads as the old result or as
    /// the new one.
    #[test]
    fn a_kill_leaves_the_old_result_or_the_new_one() {
        let old = || files(&[("a", "old"), ("b", "old"), ("gallery", "old")]);
        let names = ["a", "b", "gallery"];
        let seen = |at: &Path| names.map(|name| read(at, name));
        let is = |text: &str, with: bool| {
            [Some(text), Some(text), Some(text).filter(|_| with)].map(|t| t.map(String::from))
        };
        // The old result counts until the new manifest is complete.
        let folder = tempfile::tempdir().unwrap();
        replace_files(folder.path(), Owner::Evaluation, old()).unwrap();
        write_whole(&folder.path().join(NEW).join("a"), b"new").unwrap();
        assert_eq!(seen(folder.path()), is("old", true));
        // Then the new result counts, however many of its files have moved.
        for moved in 0..=2 {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            replace_files(at, Owner::Evaluation, old()).unwrap();
            let new = at.join(NEW);
            let written = Written { owner: Owner::Evaluation, sha256: fingerprint(&[b"new"]) };
            let files_of = names[..2].iter().map(|name| (name.to_string(), written.clone()));
            let manifest = Manifest { layout: LAYOUT, files: files_of.collect() };
            for name in &names[..2] {
                write_whole(&new.join(name), b"new").unwrap();
            }
            let text = seal(&manifest);
            write_whole(&new.join(MANIFEST), text.as_bytes()).unwrap();
            for name in &names[..moved] {
                std::fs::rename(new.join(name), at.join(name)).unwrap();
            }
            assert_eq!(seen(at), is("new", false), "{moved} moved");
            // The next write completes the old one first.
            replace_files(at, Owner::Report, files(&[("r", "1")])).unwrap();
            assert_eq!(seen(at), is("new", false), "{moved} moved, settled");
            assert!(!new.exists() && !at.join("gallery").exists());
        }
    }

    #[test]
    fn a_report_beside_an_evaluation_without_manifest_hides_none_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::write(at.join("a"), "old").unwrap();
        std::fs::write(at.join("gallery"), "old").unwrap();
        replace_files(at, Owner::Report, files(&[("r", "1")])).unwrap();
        assert_eq!(["a", "gallery", "r"].map(|name| read(at, name).is_some()), [true; 3]);
        // A new evaluation without a gallery does not read the old one's.
        replace_files(at, Owner::Evaluation, files(&[("a", "new")])).unwrap();
        assert_eq!((read(at, "a").as_deref(), read(at, "gallery")), (Some("new"), None));
    }

    #[test]
    fn new_files_are_written_whatever_is_in_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        replace_files(at, Owner::Evaluation, files(&[("a", "1")])).unwrap();
        std::fs::write(at.join("a"), "changed by hand").unwrap();
        std::fs::write(at.join("r"), "mine").unwrap();
        replace_files(at, Owner::Report, files(&[("r", "1")])).unwrap();
        replace_files(at, Owner::Evaluation, files(&[("a", "2")])).unwrap();
        assert_eq!((read(at, "a").as_deref(), read(at, "r")), (Some("2"), None));
    }

    #[test]
    fn flatness_and_an_evaluation_leave_each_other_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        replace_files(at, Owner::Evaluation, files(&[("a", "1")])).unwrap();
        replace_files(at, Owner::Report, files(&[("r", "1")])).unwrap();
        replace_files(at, Owner::Flatness, files(&[("f", "1"), ("page", "1")])).unwrap();
        assert_eq!(["a", "r", "f", "page"].map(|name| read(at, name).is_some()), [true; 4]);
        replace_files(at, Owner::Flatness, files(&[("f", "2")])).unwrap();
        replace_files(at, Owner::Evaluation, files(&[("a", "2")])).unwrap();
        let seen = ["a", "r", "f", "page"].map(|name| read(at, name));
        assert_eq!(seen, [Some("2"), None, Some("2"), None].map(|text| text.map(String::from)));
    }

    #[test]
    fn a_manifest_of_another_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest { layout: LAYOUT + 1, files: BTreeMap::new() };
        std::fs::write(folder.path().join(MANIFEST), seal(&manifest)).unwrap();
        let error = Folder::open(folder.path()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("layout: got 2, wanted 1"), "{error}");
    }

    #[test]
    fn a_changed_bit_is_an_error_and_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        replace_files(folder.path(), Owner::Evaluation, files(&[("a", "one")])).unwrap();
        std::fs::write(folder.path().join("a"), "onf").unwrap();
        let error = Folder::open(folder.path()).unwrap().read("a").unwrap_err();
        assert!(matches!(&error, EvaluationError::Checksum { .. }), "{error}");
        assert!(error.to_string().contains("manifest.json"), "{error}");
    }

    #[test]
    fn a_manifest_that_leads_out_of_its_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["../a", "/a", "a/../../b", ".new/a", ""] {
            let text =
                format!(r#"{{"layout":1,"files":{{"{name}":{{"owner":"report","sha256":""}}}}}}"#);
            std::fs::write(folder.path().join(MANIFEST), text).unwrap();
            assert!(Folder::open(folder.path()).is_err(), "{name}");
        }
    }
}
