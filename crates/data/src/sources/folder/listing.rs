use crate::DataError;
use crate::source::check_classes;
use image::ImageFormat;
use std::fs;
use std::path::{Path, PathBuf};

/// Extensions of images that the `image` crate does not list.
const MORE_EXTENSIONS: [&str; 6] = ["jpe", "dib", "heic", "heif", "jxl", "jp2"];

/// The images of a directory, before any is opened.
pub(super) struct Listing {
    pub files: Vec<PathBuf>,
    /// Positions in `classes`, one for each file.
    pub labels: Vec<u16>,
    pub classes: Vec<String>,
    /// Files of other extensions.
    pub skipped: usize,
}

/// The images of a directory, with the classes of a list or of its sub-directories.
pub(super) fn list(dir: &Path, classes: Option<Vec<String>>) -> Result<Listing, DataError> {
    let mut directories = Vec::new();
    for path in entries(dir)? {
        if is_dir(&path)? {
            directories.push(path);
        }
    }
    if directories.is_empty() {
        let wanted = vec!["one sub-directory for each class".into()];
        return Err(DataError::Missing { dir: dir.into(), wanted });
    }
    let found = || directories.iter().map(|directory| name(directory)).collect();
    let classes: Vec<String> = classes.unwrap_or_else(found);
    check_classes(&name(dir), &classes)?;
    let (mut files, mut labels, mut skipped) = (Vec::new(), Vec::new(), 0);
    for directory in &directories {
        let class = name(directory);
        let Some(label) = classes.iter().position(|known| *known == class) else {
            return Err(DataError::UnknownClass { dir: directory.into(), classes });
        };
        let (mut images, mut others) = (Vec::new(), 0);
        for path in entries(directory)? {
            match is_image(&path)? {
                true => images.push(path),
                false => others += 1,
            }
        }
        if images.is_empty() {
            let dir = directory.clone();
            return Err(match others {
                0 => DataError::Empty { place: dir.display().to_string() },
                skipped => DataError::AllSkipped { dir, skipped },
            });
        }
        labels.extend(images.iter().map(|_| label as u16));
        files.extend(images);
        skipped += others;
    }
    Ok(Listing { files, labels, classes, skipped })
}

/// The entries of a directory, sorted by name, without hidden files.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(DataError::io(dir))?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort_unstable();
    Ok(paths)
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Tells directories. What cannot be told, such as a link to nowhere, is an error: a class that was
/// left out would shift the labels of those behind it.
fn is_dir(path: &Path) -> Result<bool, DataError> {
    Ok(fs::metadata(path).map_err(DataError::io(path))?.is_dir())
}

/// Tells files to read: those with the extension of an image format, also of one that is not known
/// here and so will be an error, and those without extension. A directory will be an error too.
fn is_image(path: &Path) -> Result<bool, DataError> {
    let Some(extension) = path.extension() else {
        return Ok(true);
    };
    let more = || MORE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known));
    Ok(ImageFormat::from_extension(extension).is_some() || more() || is_dir(path)?)
}
