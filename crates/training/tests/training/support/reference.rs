//! The reference values of the repository's `tests/reference`.

use serde_json::Value;
use std::path::Path;

/// A file of `tests/reference/data`.
pub fn reference(file: &str) -> Value {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data");
    serde_json::from_slice(&std::fs::read(Path::new(data).join(file)).unwrap()).unwrap()
}

/// The numbers of an array.
pub fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}
