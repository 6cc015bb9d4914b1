//! What an evaluation leaves behind.

use super::{Estimate, EvaluationError};
use crate::{Passes, disk};
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// The version of the record's layout.
pub const SCHEMA: u32 = 1;

/// What was evaluated on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataCard {
    /// The name of the data set and its part.
    pub name: String,
    /// A hash of its pixels and labels; empty where none was given.
    pub fingerprint: String,
}

/// What was evaluated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// A name for tables.
    pub name: String,
    /// Number of learnable parameters.
    pub parameters: usize,
    /// The noise it carries, in words.
    pub noise: String,
    /// The element type that it multiplies in, where that is not its parameters' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
}

/// One attack and what it left of the accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackRecord {
    /// Its name.
    pub name: String,
    /// All its parameters.
    pub spec: serde_json::Value,
    /// SHA-256 of the parameters: equal hashes are equal attacks.
    pub hash: String,
    /// The key of its random numbers.
    pub key: Key,
    /// Robust accuracy under this attack.
    pub robust: Estimate,
    /// What the attack cost, in passes of single images; the scoring is not in it.
    pub passes: Passes,
    /// Seconds that the attack took.
    pub seconds: f64,
}

/// The record of an evaluation. Every number that is shown anywhere comes from one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Layout of the record.
    pub schema: u32,
    /// Version of this library.
    pub version: String,
    /// The data.
    pub data: DataCard,
    /// The model.
    pub model: ModelCard,
    /// Number of examples.
    pub examples: usize,
    /// Draws of the model's noise that decided each correctness. One for a model without noise.
    pub draws: usize,
    /// Whether two draws gave different logits.
    pub stochastic: bool,
    /// The key from which all others derive.
    pub key: Key,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// Accuracy on the images as they are.
    pub clean: Estimate,
    /// The attacks, in the order of the suite.
    pub attacks: Vec<AttackRecord>,
    /// Accuracy under the attack that hurts most, chosen for each example, the unchanged image among the candidates. With
    /// noise the choice is made by other draws than the judgement, whose draws are those of the single attacks. Absent where
    /// the suite is empty.
    pub worst_case: Option<Estimate>,
    /// Passes of single images that judged the results.
    pub scoring: Passes,
    /// Seconds in all.
    pub seconds: f64,
    /// What a reader should know before trusting the numbers.
    pub warnings: Vec<String>,
}

/// How one example fared. `correct` counts are out of the record's number of draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Number of the example within the data.
    pub index: usize,
    /// Its label.
    pub label: i64,
    /// Correct draws on the image as it is.
    pub clean: u32,
    /// The attacks, in the order of the record.
    pub attacks: Vec<RowAttack>,
    /// Correct draws under the attack that hurts most.
    pub worst_case: u32,
}

/// How one example fared under one attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowAttack {
    /// Correct draws.
    pub correct: u32,
    /// Distance of the adversarial image in the threat's norm.
    pub distance: f64,
}

/// The record and the rows behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The record.
    pub record: Record,
    /// One row for each example.
    pub rows: Vec<Row>,
}

impl Evaluated {
    /// Writes `record.json` and `rows.jsonl` into a folder, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`]. A file is complete or as it was before.
    pub fn save(&self, folder: &Path) -> Result<(), EvaluationError> {
        let mut rows = String::new();
        for row in &self.rows {
            rows += &serde_json::to_string(row).expect("a row is plain data");
            rows.push('\n');
        }
        write_whole(&folder.join("rows.jsonl"), rows.as_bytes())?;
        write_json(&folder.join("record.json"), &self.record)
    }
}

/// Writes a value as JSON, beside the file first and then in its place; the file's folder is made where it is missing.
///
/// # Errors
///
/// [`EvaluationError::Io`]. The file is complete or as it was before.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EvaluationError> {
    let mut text = serde_json::to_string_pretty(value).expect("records are plain data");
    text.push('\n');
    write_whole(path, text.as_bytes())
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EvaluationError> {
    disk::write_whole(path, bytes)
        .map_err(|source| EvaluationError::Io { path: path.to_path_buf(), source })
}

/// A table of records of the same suite: a row for each model, percentages with their intervals.
pub fn table(records: &[&Record]) -> String {
    let percent = |e: &Estimate| {
        let [accuracy, low, high] = [e.accuracy, e.low, e.high].map(|v| 100.0 * v);
        format!("{accuracy:5.1} [{low:4.1}, {high:4.1}]")
    };
    let mut lines = vec![vec!["model".to_string(), "clean %".to_string()]];
    if let Some(first) = records.first() {
        lines[0].extend(first.attacks.iter().map(|attack| format!("{} %", attack.name)));
        lines[0].push("worst case %".to_string());
    }
    for record in records {
        let mut line = vec![record.model.name.clone(), percent(&record.clean)];
        line.extend(record.attacks.iter().map(|attack| percent(&attack.robust)));
        line.push(record.worst_case.as_ref().map_or("-".to_string(), percent));
        lines.push(line);
    }
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let _ = write!(text, "{gap}{cell:<width$}", width = widths[column]);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
