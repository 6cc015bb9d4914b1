//! The tables and numbers of the README and the documentation are those of the committed records.

mod accuracies;
mod book;
mod chapters;
mod difference;
mod docs;
mod every_attack;
mod neighbours;
mod pgd7;
mod protocols;
mod references;
mod speeds;

use super::root;
use serde_json::Value;

/// A record that is no evaluation's.
fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(root().join(path)).unwrap()).unwrap()
}

/// Refuses a README without this text, as it stands.
fn assert_shown(text: &str) {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(text), "README.md lacks:\n{text}");
}

/// Refuses a README without this text, wherever its lines break.
fn assert_said(text: &str) {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(text), "README.md lacks: {text}");
}
