//! Pages about flatness: making and writing them.

use crate::{ReportError, content, figures, html, markdown};
use cni_evaluation::flatness::FlatnessRecords;
use cni_evaluation::{Owner, replace_files};
use std::path::Path;

/// A page about the flatness of one or several models, side by side.
#[derive(Clone, Debug)]
pub struct FlatnessReport {
    records: FlatnessRecords,
}

impl FlatnessReport {
    /// A page of these records.
    ///
    /// # Errors
    ///
    /// [`ReportError::NoRecords`] if there is none; [`ReportError::Field`] for a number that is not
    /// finite.
    pub fn new(records: FlatnessRecords) -> Result<Self, ReportError> {
        if records.records.is_empty() {
            return Err(ReportError::NoRecords);
        }
        for record in &records.records {
            let parts = [&record.average, &record.worst];
            let losses = parts.into_iter().flatten().flat_map(|losses| &losses.losses);
            let points = record.landscape.iter().flat_map(|curve| &curve.points);
            let numbers = losses.chain(points.map(|point| &point.y)).chain([&record.reference]);
            if let Some(got) = numbers.into_iter().find(|number| !number.is_finite()) {
                return Err(ReportError::Field {
                    model: record.model.name.clone(),
                    field: "robust loss".to_string(),
                    got: got.to_string(),
                    wanted: "a finite number".to_string(),
                });
            }
        }
        Ok(Self { records })
    }

    /// The HTML of the page: one file that needs no script and loads nothing.
    pub fn html(&self) -> String {
        html::page(&content::flatness(&self.records.records))
    }

    /// The Markdown of the page, in GitHub's flavour. It refers to the figures that
    /// [`write`](Self::write) puts beside it.
    pub fn markdown(&self) -> String {
        markdown::text(&content::flatness(&self.records.records))
    }

    /// Writes the records and their page into a folder at once: `flatness.json`, `flatness.html`,
    /// `flatness.md`, the landscapes as `figures/*.svg` and `figures/*.png`, and their numbers as
    /// `data/*.csv`. A missing folder is made; earlier files of flatness are replaced, and those of
    /// others stay.
    ///
    /// # Errors
    ///
    /// [`ReportError::Evaluation`] if a file cannot be written. The folder then holds either the
    /// new files or the old ones.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let document = content::flatness(&self.records.records);
        let mut files = figures(&document);
        files.push((FlatnessRecords::FILE.to_string(), self.records.bytes()));
        files.push(("flatness.md".to_string(), markdown::text(&document).into_bytes()));
        files.push(("flatness.html".to_string(), html::page(&document).into_bytes()));
        Ok(replace_files(folder, Owner::Flatness, files)?)
    }
}
