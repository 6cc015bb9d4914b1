//! The report of an ablation.

use crate::report::write_document;
use crate::{ReportError, content, html, markdown};
use cni_evaluation::AblationRecord;
use std::path::Path;

/// A report of an ablation: its arms over their seeds, the frontier of clean and robust accuracy,
/// and the differences from the baseline.
#[derive(Clone, Debug)]
pub struct AblationReport {
    record: AblationRecord,
}

impl AblationReport {
    /// The report of this record.
    pub fn new(record: AblationRecord) -> Self {
        Self { record }
    }

    /// The HTML: one file that needs no script and loads nothing.
    pub fn html(&self) -> String {
        html::page(&content::ablation(&self.record))
    }

    /// The Markdown, in GitHub's flavour.
    pub fn markdown(&self) -> String {
        markdown::text(&content::ablation(&self.record))
    }

    /// Writes the report into a folder, as [`Report::write`](crate::Report::write) does.
    ///
    /// # Errors
    ///
    /// [`ReportError::Evaluation`] if a file cannot be written. The folder then holds either the
    /// new report or the old one.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        write_document(&content::ablation(&self.record), Vec::new(), folder)
    }
}
