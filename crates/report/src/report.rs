//! Reports: making and writing them.

use crate::chart::Chart;
use crate::content::{self, Model};
use crate::document::Document;
use crate::{ReportError, draw, html, markdown};
use cni_evaluation::{Evaluated, EvaluationError, Owner, replace_files};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The file with a line for each example and attack.
const EXAMPLES: &str = "data/examples.csv";

/// A report about one or several models.
#[derive(Clone, Debug)]
pub struct Report {
    models: Vec<Model>,
}

impl Report {
    /// A report of these evaluations, in this order. Models of equal names get numbers.
    ///
    /// # Errors
    ///
    /// [`ReportError::NoRecords`] if there is no evaluation; [`ReportError::Field`] for an
    /// evaluation whose numbers, rows, figures or images do not fit together, by
    /// [`Evaluated::check`].
    pub fn new(evaluated: Vec<Evaluated>) -> Result<Self, ReportError> {
        if evaluated.is_empty() {
            return Err(ReportError::NoRecords);
        }
        let mut models: Vec<Model> = Vec::new();
        for evaluated in evaluated {
            let plain = match evaluated.record.model.name.as_str() {
                "" => "model".to_string(),
                name => name.split_whitespace().collect::<Vec<_>>().join(" "),
            };
            let names =
                std::iter::once(plain.clone()).chain((2..).map(|n| format!("{plain} ({n})")));
            let free = |name: &String| models.iter().all(|model| model.name != *name);
            let name = names.into_iter().find(free).expect("endless");
            let model = Model { name, place: models.len(), evaluated };
            refuse(&model)?;
            models.push(model);
        }
        Ok(Self { models })
    }

    /// Reads the evaluations in these folders, as [`Evaluated::save`] writes them, and makes a
    /// report of them.
    ///
    /// # Errors
    ///
    /// The errors of [`Evaluated::read`] and of [`new`](Self::new).
    pub fn read(folders: &[PathBuf]) -> Result<Self, ReportError> {
        let evaluated: Result<Vec<_>, _> = folders.iter().map(Evaluated::read).collect();
        Self::new(evaluated?)
    }

    /// The HTML of the report: one file that needs no script and loads nothing.
    pub fn html(&self) -> String {
        html::page(&content::document(&self.models))
    }

    /// The Markdown of the report, in GitHub's flavour. It refers to the figures that
    /// [`write`](Self::write) puts beside it.
    pub fn markdown(&self) -> String {
        markdown::text(&content::document(&self.models))
    }

    /// True if a folder holds a report of the same evaluations: of the same outcomes of every
    /// example under every attack, of models of the same names.
    pub fn is_in(&self, folder: &Path) -> bool {
        let examples = content::examples(&self.models).csv();
        std::fs::read(folder.join(EXAMPLES)).is_ok_and(|there| there == examples)
    }

    /// Writes the report into a folder: `report.html`, `report.md`, `figures/*.svg`,
    /// `figures/*.png` and `data/*.csv`, and their checksums into `manifest.json`. A missing folder
    /// is made.
    ///
    /// `data/examples.csv` has a line for each example and attack, and
    /// `data/certificates-of-examples.csv` one for each certificate. Every other CSV file has the
    /// numbers of the figure of the same name. Files that an earlier report left in the folder are
    /// removed; other files stay.
    ///
    /// # Errors
    ///
    /// [`ReportError::Evaluation`] if a file cannot be written. The folder then holds either the
    /// new report or the old one.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let examples = (EXAMPLES.to_string(), content::examples(&self.models).csv());
        let certificates = content::certificates(&self.models)
            .map(|table| ("data/certificates-of-examples.csv".to_string(), table.csv()));
        let files = std::iter::once(examples).chain(certificates).collect();
        write_document(&content::document(&self.models), files, folder)
    }
}

/// Writes a document into a folder, with its figures and with other files.
pub(crate) fn write_document(
    document: &Document,
    mut files: Vec<(String, Vec<u8>)>,
    folder: &Path,
) -> Result<(), ReportError> {
    files.extend(figures(document));
    files.push(("report.md".to_string(), markdown::text(document).into_bytes()));
    files.push(("report.html".to_string(), html::page(document).into_bytes()));
    Ok(replace_files(folder, Owner::Report, files)?)
}

/// The files of all figures of a document: each as SVG and PNG, and its numbers as CSV.
pub(crate) fn figures(document: &Document) -> Vec<(String, Vec<u8>)> {
    let figure = |chart: &Chart| {
        let file = |folder: &str, ending: &str| format!("{folder}/{}.{ending}", chart.id);
        vec![
            (file("figures", "svg"), draw::svg(chart).into_bytes()),
            (file("figures", "png"), draw::png(chart)),
            (file("data", "csv"), chart.table().csv()),
        ]
    };
    document.charts().into_par_iter().flat_map_iter(figure).collect()
}

/// Refuses a model that no figure or table could show.
fn refuse(model: &Model) -> Result<(), ReportError> {
    model.evaluated.check().map_err(|error| match error {
        EvaluationError::Field { field, got, wanted } => {
            ReportError::Field { model: model.name.clone(), field, got, wanted }
        }
        other => other.into(),
    })
}
