//! The report.

use crate::chart::Chart;
use crate::content::{self, Model};
use crate::{ReportError, draw, html, markdown};
use cni_attacks::evaluation::{Accuracy, Evaluated, Figure, Point, write_whole};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// A report of one model or several.
#[derive(Clone, Debug)]
pub struct Report {
    models: Vec<Model>,
}

impl Report {
    /// A report of these evaluations, in this order. Models of equal names are numbered.
    ///
    /// # Errors
    ///
    /// [`ReportError::NoRecords`]; [`ReportError::Field`] for a record whose rows, figures or images do not fit
    /// together, which [`Evaluated::read`] lets through where a program of one's own wrote them.
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

    /// A report of the evaluations in these folders, as [`Evaluated::save`] writes them.
    ///
    /// # Errors
    ///
    /// As [`Evaluated::read`] and [`new`](Self::new).
    pub fn read(folders: &[PathBuf]) -> Result<Self, ReportError> {
        let evaluated: Result<Vec<_>, _> =
            folders.iter().map(|folder| Evaluated::read(folder)).collect();
        Self::new(evaluated?)
    }

    /// The report as a page: one file, without a script, that loads nothing.
    pub fn html(&self) -> String {
        html::page(&content::document(&self.models))
    }

    /// The report as Markdown of GitHub's flavour. Its figures are those that [`write`](Self::write) puts beside it.
    pub fn markdown(&self) -> String {
        markdown::text(&content::document(&self.models))
    }

    /// Writes `report.html`, `report.md`, `figures/*.svg`, `figures/*.png` and `data/*.csv` into a folder, which is
    /// made where it is missing.
    ///
    /// `data/examples.csv` has a line for each example and attack; every other CSV file has the numbers of the figure
    /// of its name.
    ///
    /// # Errors
    ///
    /// [`ReportError::Evaluation`] where a file cannot be written. Each file is complete or as it was before.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let document = content::document(&self.models);
        let figure = |chart: &Chart| {
            let file =
                |folder_of, ending| folder.join(folder_of).join(format!("{}.{ending}", chart.id));
            write_whole(&file("figures", "svg"), draw::svg(chart).as_bytes())?;
            write_whole(&file("figures", "png"), &draw::png(chart))?;
            write_whole(&file("data", "csv"), &chart.table().csv())
        };
        let examples = || {
            let table = content::examples(&self.models);
            write_whole(&folder.join("data").join("examples.csv"), &table.csv())
        };
        let figures =
            || document.charts().into_par_iter().map(figure).collect::<Vec<Result<_, _>>>();
        let (examples, figures) = rayon::join(examples, figures);
        // The first error, whichever thread came first.
        std::iter::once(examples).chain(figures).collect::<Result<(), _>>()?;
        write_whole(&folder.join("report.md"), markdown::text(&document).as_bytes())?;
        write_whole(&folder.join("report.html"), html::page(&document).as_bytes())?;
        Ok(())
    }
}

/// Refuses what no figure or table could show.
fn refuse(model: &Model) -> Result<(), ReportError> {
    let Evaluated { record, rows, gallery } = &model.evaluated;
    let wrong = |field: &str, got: String, wanted: String| ReportError::Field {
        model: model.name.clone(),
        field: field.to_string(),
        got,
        wanted,
    };
    let equal = |field: &str, got: usize, wanted: usize| match got == wanted {
        true => Ok(()),
        false => Err(wrong(field, got.to_string(), wanted.to_string())),
    };
    let finite = |field: &str, values: &mut dyn Iterator<Item = f64>| {
        for value in values {
            if !value.is_finite() {
                return Err(wrong(field, value.to_string(), "finite numbers".to_string()));
            }
        }
        Ok(())
    };
    if record.draws == 0 {
        return Err(wrong("draws", "0".to_string(), "at least 1".to_string()));
    }
    equal("rows", rows.len(), record.examples)?;
    for row in rows {
        equal("attacks of a row", row.attacks.len(), record.attacks.len())?;
    }
    let attacks = record.attacks.iter().map(|attack| &attack.robust);
    for accuracy in std::iter::once(&record.clean).chain(attacks).chain(&record.worst_case) {
        let Accuracy { one_shot, vote, best_of, noise_off, fixed_noise } = accuracy;
        let others = [vote, best_of, noise_off, fixed_noise].into_iter().flatten();
        let all = std::iter::once(one_shot).chain(others);
        finite("accuracy", &mut all.flat_map(|e| [e.accuracy, e.low, e.high]))?;
    }
    for check in &record.checks {
        match &check.figure {
            None => {}
            Some(Figure::Curves { curves, .. }) => {
                let points = curves.iter().flat_map(|curve| &curve.points);
                let values = |p: &Point| [Some(p.x), Some(p.y), p.low, p.high];
                finite(&check.name, &mut points.flat_map(values).flatten())?;
            }
            Some(Figure::Surface { xs, ys, values, .. }) => {
                let shaped = !xs.is_empty() && !ys.is_empty();
                if !shaped {
                    let got = format!("{} by {} places", xs.len(), ys.len());
                    return Err(wrong(&check.name, got, "at least one by one".to_string()));
                }
                equal(&check.name, values.len(), ys.len())?;
                for row in values {
                    equal(&check.name, row.len(), xs.len())?;
                }
                finite(&check.name, &mut values.iter().flatten().chain(xs).chain(ys).copied())?;
            }
        }
    }
    for layer in &record.model.layers {
        for row in &layer.covariance {
            equal(&format!("covariance of {}", layer.path), row.len(), layer.covariance.len())?;
        }
        let eigenvalues = layer.eigenvalues.iter().chain(&layer.factor_eigenvalues);
        finite(&layer.path, &mut layer.covariance.iter().flatten().chain(eigenvalues).copied())?;
    }
    let history = record.model.history.iter();
    let trained = history.flat_map(|epoch| epoch.scores.values().chain(epoch.noise.values()));
    finite("history", &mut trained.copied())?;
    for specimen in gallery {
        let pixels = specimen.shape.iter().product();
        equal("clean pixels of a specimen", specimen.clean.len(), pixels)?;
        equal("adversarial pixels of a specimen", specimen.adversarial.len(), pixels)?;
        if pixels == 0 {
            return Err(wrong("pixels of a specimen", "0".to_string(), "at least 1".to_string()));
        }
    }
    Ok(())
}
