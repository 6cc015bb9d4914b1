//! Files that a kill leaves either complete or unchanged, and hashes of their contents.

use crate::EvaluationError;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::path::Path;

/// SHA-256 of all parts in a row, in hexadecimal digits.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Canonical JSON of a value, with sorted keys and without spaces. Equal values have equal text,
/// whatever order of keys the application's `serde_json` keeps.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let field = |(name, value): (&String, &Value)| {
                format!("{}:{}", Value::from(name.as_str()), canonical(value))
            };
            format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// SHA-256 of the [canonical] JSON of a value. It identifies settings.
pub(crate) fn hash_of(value: &Value) -> String {
    fingerprint(&[canonical(value).as_bytes()])
}

/// A value together with the hash of its JSON.
#[derive(Serialize, Deserialize)]
struct Sealed {
    sha256: String,
    content: Value,
}

/// Sealed JSON: a value with its hash, in a file that only this library reads back.
pub(crate) fn seal(value: &impl Serialize) -> String {
    let content = serde_json::to_value(value).expect("a state is plain data");
    let sealed = Sealed { sha256: hash_of(&content), content };
    serde_json::to_string_pretty(&sealed).expect("a state is plain data")
}

/// The unsealed value of a text that [`seal`] wrote; an error if the text has changed since.
pub(crate) fn unseal<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let Sealed { sha256, content } = serde_json::from_slice(text)?;
    let got = hash_of(&content);
    if got != sha256 {
        let reason = format!("sha256: got {got}, wanted {sha256}: changed since it was written");
        return Err(serde_json::Error::custom(reason));
    }
    serde_json::from_value(content)
}

/// Writes a file atomically: first under a temporary name in the same folder, then under its own
/// name. A missing folder is made.
///
/// # Errors
///
/// [`EvaluationError::Io`] if the file cannot be written. The file at `path` is then as it was
/// before.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EvaluationError> {
    write(path, bytes).map_err(|source| EvaluationError::Io { path: path.to_path_buf(), source })
}

/// The text of a file.
pub(crate) fn read_text(path: &Path) -> Result<String, EvaluationError> {
    std::fs::read_to_string(path)
        .map_err(|source| EvaluationError::Io { path: path.to_path_buf(), source })
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut builder = tempfile::Builder::new();
    // The crate `tempfile` makes files that only their owner can read. A record should be as public
    // as any other file, which the umask of the process decides.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_comes_back_as_it_was_and_not_once_a_digit_has_changed() {
        let value = (0.1_f32, 1.0 / 3.0, u64::MAX, vec![Some(-1_i64), None], "é\"".to_string());
        let text = seal(&value);
        type Read = (f32, f64, u64, Vec<Option<i64>>, String);
        assert_eq!(unseal::<Read>(text.as_bytes()).unwrap(), value);
        let changed = text.replace("18446744073709551615", "18446744073709551614");
        let error = unseal::<Read>(changed.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("changed since it was written"), "{error}");
    }

    #[test]
    fn a_hash_does_not_depend_on_the_order_of_keys() {
        let [a, b] = [
            r#"{"b": [1, {"y": 0.5, "x": "é\""}], "a": null}"#,
            r#"{"a":null,"b":[1,{"x":"é\"","y":0.5}]}"#,
        ]
        .map(|text| serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(canonical(&a), r#"{"a":null,"b":[1,{"x":"é\"","y":0.5}]}"#);
        assert_eq!(hash_of(&a), hash_of(&b));
        assert_eq!(serde_json::from_str::<Value>(&canonical(&a)).unwrap(), a);
        assert_ne!(hash_of(&a), hash_of(&serde_json::json!({ "a": null })));
    }
}
