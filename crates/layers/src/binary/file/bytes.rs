//! The bytes of a file.
//!
//! ```text
//! magic        8 bytes, CNI-SIGN
//! version      u32; numbers are little-endian
//! length       u64, of the whole file
//! header       u64, its length, and JSON: configuration, element type, list of parameters
//! values       of each parameter: u64 words of 64 signs, f32 or f16
//! checksum     32 bytes, SHA-256 of all before
//! ```

use super::values::{Data, Entry, Stored};
use super::{Floats, PackedError, PackedModel};
use burn::tensor::f16;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::path::Path;

const MAGIC: &[u8; 8] = b"CNI-SIGN";
const VERSION: u32 = 1;
/// Bytes before the header.
const FIXED: usize = 28;
const CHECKSUM: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    config: Value,
    floats: Floats,
    values: Vec<Entry>,
}

pub(super) fn write(model: &PackedModel) -> Vec<u8> {
    let header = Header {
        config: model.config.clone(),
        floats: model.floats,
        values: model.values.iter().map(|stored| stored.entry.clone()).collect(),
    };
    let header = serde_json::to_vec(&header).expect("plain data");
    let mut values = Vec::new();
    for stored in &model.values {
        match &stored.data {
            Data::Signs(words) => values.extend(words.iter().flat_map(|word| word.to_le_bytes())),
            Data::F32(all) => values.extend(all.iter().flat_map(|value| value.to_le_bytes())),
            Data::F16(all) => values.extend(all.iter().flat_map(|value| value.to_le_bytes())),
        }
    }
    let length = FIXED + header.len() + values.len() + CHECKSUM;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((length as u64).to_le_bytes());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(values);
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), PackedError> {
    let write = || {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        // Not readable by its owner alone, as temporary files are: the umask decides.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| PackedError::Io { path: path.to_path_buf(), source })
}

pub(super) fn load(path: &Path) -> Result<PackedModel, PackedError> {
    let bytes = std::fs::read(path)
        .map_err(|source| PackedError::Io { path: path.to_path_buf(), source })?;
    read(&bytes).map_err(|(field, got, wanted)| PackedError::File {
        path: path.to_path_buf(),
        field,
        got,
        wanted,
    })
}

type Fault = (&'static str, String, String);

fn read(bytes: &[u8]) -> Result<PackedModel, Fault> {
    let fault = |field, got: String, wanted: String| Err((field, got, wanted));
    if bytes.get(..MAGIC.len()) != Some(MAGIC) {
        return fault("kind", "another kind of file".into(), "a packed model".into());
    }
    let length = || format!("{} bytes", bytes.len());
    let Some(fixed) = bytes.get(MAGIC.len()..FIXED) else {
        return fault("length", length(), format!("at least {}: it is cut", FIXED + CHECKSUM));
    };
    let number = |at: usize| u64::from_le_bytes(fixed[at..at + 8].try_into().expect("8 bytes"));
    let version = u32::from_le_bytes(fixed[..4].try_into().expect("4 bytes"));
    if version != VERSION {
        return fault("version", version.to_string(), VERSION.to_string());
    }
    let (whole, header) = (number(4), number(12));
    if whole != bytes.len() as u64 || bytes.len() < FIXED + CHECKSUM {
        return fault("length", length(), format!("{whole}, as it was written"));
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found = Sha256::digest(content);
    if found[..] != *checksum {
        let wanted = format!("{}: it has changed since it was written", hex(checksum));
        return fault("checksum", hex(&found), wanted);
    }
    let broken = |got: String| Err(("header", got, "that of a packed model".to_string()));
    let end = usize::try_from(header).ok().and_then(|header| FIXED.checked_add(header));
    let Some(text) = end.and_then(|end| content.get(FIXED..end)) else {
        return broken(format!("{header} bytes"));
    };
    let mut values = &content[FIXED + text.len()..];
    let Header { config, floats, values: entries } = match serde_json::from_slice(text) {
        Ok(header) => header,
        Err(error) => return broken(error.to_string()),
    };
    let mut all = Vec::new();
    for entry in entries {
        let Some(data) = take(&mut values, &entry, floats) else {
            return broken(format!("{}: more values than there are", entry.path));
        };
        all.push(Stored { entry, data });
    }
    match values.len() {
        0 => Ok(PackedModel { config, floats, values: all }),
        rest => broken(format!("no parameter for the last {rest} bytes")),
    }
}

/// Takes the values of a parameter off the front.
fn take(bytes: &mut &[u8], entry: &Entry, floats: Floats) -> Option<Data> {
    let len = entry.len()?;
    let (count, size) = match (entry.signs, floats) {
        (true, _) => (len.div_ceil(64), 8),
        (false, Floats::F32) => (len, 4),
        (false, Floats::F16) => (len, 2),
    };
    let (own, rest) = bytes.split_at_checked(count.checked_mul(size)?)?;
    *bytes = rest;
    Some(match (entry.signs, floats) {
        (true, _) => {
            let words = own.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
            Data::Signs(words.collect())
        }
        (false, Floats::F32) => {
            Data::F32(own.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
        (false, Floats::F16) => {
            Data::F16(own.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes)).collect())
        }
    })
}
