//! Records on disk.

use super::card::{DOMAIN, GOAL};
use super::{Evaluated, EvaluationError, Record, Row, SCHEMA, gallery};
use crate::disk;
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;
use std::io::{self, Write};
use std::path::Path;

impl Record {
    /// Reads a record of this version of the layout or an earlier one.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`]; [`EvaluationError::Schema`] for a later version; [`EvaluationError::Damaged`] for what
    /// is no record.
    pub fn read(path: &Path) -> Result<Self, EvaluationError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let text = read_text(path)?;
        let damaged = |error: serde_json::Error| EvaluationError::Damaged {
            path: path.to_path_buf(),
            line: Some(error.line()),
            reason: error.to_string(),
        };
        let Version { schema } = serde_json::from_str(&text).map_err(damaged)?;
        if !(1..=SCHEMA).contains(&schema) {
            return Err(EvaluationError::Schema { path: path.to_path_buf(), got: schema });
        }
        let mut record: Self = serde_json::from_str(&text).map_err(damaged)?;
        if schema == 1 {
            record.complete();
        }
        Ok(record)
    }

    /// Adds what the first version left to be read off its attacks.
    fn complete(&mut self) {
        (self.threat.goal, self.threat.domain) = (GOAL.to_string(), DOMAIN.to_string());
        for attack in &self.attacks {
            let threat = serde_json::from_value(attack.spec["threat"].clone());
            self.threat.threats.extend(threat.ok().filter(|t| !self.threat.threats.contains(t)));
        }
    }
}

impl Evaluated {
    /// Writes `record.json`, `rows.jsonl` and `gallery.safetensors` into a folder, which is made where it is missing.
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
        gallery::write(folder, &self.gallery)?;
        write_json(&folder.join("record.json"), &self.record)
    }

    /// Reads what [`save`](Self::save) wrote into a folder, or an earlier version of this library.
    ///
    /// # Errors
    ///
    /// As [`Record::read`]; [`EvaluationError::Damaged`] also where the rows are not those of the record.
    pub fn read(folder: &Path) -> Result<Self, EvaluationError> {
        let record = Record::read(&folder.join("record.json"))?;
        let path = folder.join("rows.jsonl");
        let damaged = |line, reason| EvaluationError::Damaged { path: path.clone(), line, reason };
        let text = read_text(&path)?;
        let mut rows: Vec<Row> = Vec::new();
        for (line, text) in text.lines().enumerate() {
            let row: Row = serde_json::from_str(text)
                .map_err(|error| damaged(Some(line + 1), error.to_string()))?;
            if row.attacks.len() != record.attacks.len() {
                let (got, wanted) = (row.attacks.len(), record.attacks.len());
                let reason = format!("got {got} attacks, wanted the record's {wanted}");
                return Err(damaged(Some(line + 1), reason));
            }
            rows.push(row);
        }
        if rows.len() != record.examples {
            let (got, wanted) = (rows.len(), record.examples);
            return Err(damaged(None, format!("got {got} rows, wanted the record's {wanted}")));
        }
        Ok(Self { record, rows, gallery: gallery::read(folder)? })
    }
}

/// Writes a value as JSON, beside the file first and then in its place; the file's folder is made where it is missing.
///
/// # Errors
///
/// [`EvaluationError::Io`]. The file is complete or as it was before.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EvaluationError> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, Lines::default());
    value.serialize(&mut writer).expect("records are plain data");
    text.push(b'\n');
    write_whole(path, &text)
}

/// JSON with a line for each field of an object, and lists within their line: a matrix does not fill a thousand lines.
#[derive(Default)]
struct Lines {
    depth: usize,
    filled: bool,
}

impl Lines {
    fn line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        write!(writer, "\n{:1$}", "", 2 * self.depth)
    }
}

impl Formatter for Lines {
    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        (self.depth, self.filled) = (self.depth + 1, false);
        writer.write_all(b"{")
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b"," })?;
        self.line(writer)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(writer)?;
        }
        writer.write_all(b"}")
    }

    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}

/// Writes a file beside its place and then into it; its folder is made where it is missing.
///
/// # Errors
///
/// [`EvaluationError::Io`]. The file is complete or as it was before.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EvaluationError> {
    disk::write_whole(path, bytes)
        .map_err(|source| EvaluationError::Io { path: path.to_path_buf(), source })
}

pub(super) fn read_text(path: &Path) -> Result<String, EvaluationError> {
    std::fs::read_to_string(path)
        .map_err(|source| EvaluationError::Io { path: path.to_path_buf(), source })
}
