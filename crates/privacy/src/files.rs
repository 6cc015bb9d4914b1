//! Files that are whole or not there.

use crate::PrivacyError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::path::Path;

/// Writes a value as JSON. A kill leaves the old file or the new one, whole.
pub(crate) fn save<T: Serialize>(value: &T, path: &Path) -> Result<(), PrivacyError> {
    let text = serde_json::to_vec_pretty(value).expect("plain data");
    write_whole(path, &text).map_err(|source| PrivacyError::File { path: path.into(), source })
}

/// Reads a value that [`save`] wrote; `wanted` says what it is.
pub(crate) fn load<T: DeserializeOwned>(
    path: &Path,
    wanted: &'static str,
) -> Result<T, PrivacyError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| PrivacyError::File { path: path.into(), source })?;
    serde_json::from_str(&text).map_err(|source| PrivacyError::Json {
        path: path.into(),
        wanted,
        source,
    })
}

/// Writes beside the file, then renames. A missing folder is made.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    // The crate `tempfile` makes files that only their owner can read. The umask should decide.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|refused| refused.error)
}
