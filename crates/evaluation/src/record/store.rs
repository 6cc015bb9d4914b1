//! Records on disk: reading and writing.

use crate::checkpoint;
use crate::files::{read_text, write_whole};
use crate::record::card::{DOMAIN, GOAL};
use crate::record::folder::{Folder, Owner, replace_files};
use crate::record::gallery;
use crate::record::schema::SCHEMA;
use crate::{Evaluated, EvaluationError, Record, Row, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;
use std::io::{self, Write};
use std::path::Path;

impl Record {
    /// Reads a record, of this version of the layout or an earlier one.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the file cannot be read; [`EvaluationError::Checksum`] if it has
    /// changed since it was written; [`EvaluationError::Schema`] for a later version of the layout;
    /// [`EvaluationError::Damaged`] if it is not a record, or has impossible numbers.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let record = Self::within(&Folder::open(folder)?, name, path)?;
        record.check().map_err(|error| damaged(path, None, error))?;
        Ok(record)
    }

    /// Reads a record without checking its numbers.
    fn within(folder: &Folder, name: &str, path: &Path) -> Result<Self, EvaluationError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let text = match folder.read(name)? {
            Some(bytes) => text(path, bytes)?,
            // This reports a missing file, and reads one that the manifest does not list.
            None => read_text(path)?,
        };
        let wrong = |error: serde_json::Error| damaged(path, Some(error.line()), error);
        let Version { schema } = serde_json::from_str(&text).map_err(wrong)?;
        if !(1..=SCHEMA).contains(&schema) {
            return Err(EvaluationError::Schema { path: path.to_path_buf(), got: schema });
        }
        let mut record: Self = serde_json::from_str(&text).map_err(wrong)?;
        if schema == 1 {
            record.complete();
        }
        if schema < 3 {
            record.doubt();
        }
        Ok(record)
    }

    /// Makes passed checks that count or compare inconclusive, because a record before version 3
    /// does not say what they could have seen.
    fn doubt(&mut self) {
        const NEITHER: [&str; 5] =
            ["determinism", "logits", "finite-difference", "gradient-noise", "loss-surface"];
        for check in &mut self.checks {
            if check.verdict == Verdict::Pass && !NEITHER.contains(&check.name.as_str()) {
                check.verdict = Verdict::Inconclusive;
                check.measured += "; the record is older than version 3 and does not say how small \
                                   a difference this could have shown";
            }
        }
    }

    /// Adds fields that records of the first version left to their attacks.
    fn complete(&mut self) {
        (self.threat.goal, self.threat.domain) = (GOAL.to_string(), DOMAIN.to_string());
        for attack in &self.attacks {
            let new = attack.threat().filter(|threat| !self.threat.threats.contains(threat));
            self.threat.threats.extend(new);
        }
    }
}

impl Evaluated {
    /// Saves the result: writes `record.json`, `rows.jsonl`, `gallery.safetensors` and
    /// `manifest.json`, which holds their checksums, into a folder. A missing folder is made.
    ///
    /// A folder holds one result. Files that an earlier evaluation or its report left there are
    /// removed; files of others stay. The [state](crate::Evaluation::run_with) of a finished
    /// evaluation, in the folder `state` within this one, is removed too.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if a file cannot be written. The folder then holds either the new
    /// result or the old one.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), EvaluationError> {
        let folder = folder.as_ref();
        let mut rows = String::new();
        for row in &self.rows {
            rows += &serde_json::to_string(row).expect("a row is plain data");
            rows.push('\n');
        }
        let mut files =
            vec![(RECORD.to_string(), json(&self.record)), (ROWS.to_string(), rows.into_bytes())];
        files.extend(gallery::bytes(&self.gallery).map(|bytes| (gallery::FILE.to_string(), bytes)));
        replace_files(folder, Owner::Evaluation, files)?;
        checkpoint::remove_finished(&folder.join("state"))
    }

    /// Reads a result that [`save`](Self::save) of this version or an earlier one wrote into a
    /// folder.
    ///
    /// # Errors
    ///
    /// As [`Record::read`]; [`EvaluationError::Damaged`] also if the rows do not belong to the
    /// record.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let folder = folder.as_ref();
        let files = Folder::open(folder)?;
        let record = Record::within(&files, RECORD, &folder.join(RECORD))?;
        let path = folder.join(ROWS);
        let text = match files.read(ROWS)? {
            Some(bytes) => text(&path, bytes)?,
            None => read_text(&path)?,
        };
        let row = |(line, text): (usize, &str)| {
            serde_json::from_str(text).map_err(|error| damaged(&path, Some(line + 1), error))
        };
        let rows = text.lines().enumerate().map(row).collect::<Result<Vec<Row>, _>>()?;
        let path = folder.join(gallery::FILE);
        let gallery = match files.read(gallery::FILE)? {
            Some(bytes) => gallery::parse(&bytes).map_err(|reason| damaged(&path, None, reason))?,
            None => Vec::new(),
        };
        let evaluated = Self { record, rows, gallery };
        evaluated.check().map_err(|error| damaged(&folder.join(RECORD), None, error))?;
        Ok(evaluated)
    }
}

/// The name of the record's file in an evaluation's folder.
const RECORD: &str = "record.json";
const ROWS: &str = "rows.jsonl";

fn damaged(path: &Path, line: Option<usize>, reason: impl ToString) -> EvaluationError {
    EvaluationError::Damaged { path: path.to_path_buf(), line, reason: reason.to_string() }
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, EvaluationError> {
    String::from_utf8(bytes).map_err(|error| damaged(path, None, error))
}

/// Writes a value as JSON atomically: first under a temporary name, then under its own. A missing
/// folder is made.
///
/// # Errors
///
/// [`EvaluationError::Io`] if the file cannot be written. It is then as it was before.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EvaluationError> {
    write_whole(path, &json(value))
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, Lines::default());
    value.serialize(&mut writer).expect("records are plain data");
    text.push(b'\n');
    text
}

/// A JSON format with a line for each field of an object, and lists on one line, so that a matrix
/// does not fill a thousand lines.
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
