//! Content of a report: from records to a document.

mod ablation;
mod accuracy;
mod audit;
mod cards;
mod cascade;
mod certificates;
mod checks;
mod classes;
mod comparison;
mod examples;
mod flatness;
mod gallery;
mod noise;
mod probability;
mod radii;
mod spectrum;
mod summary;
mod training;

pub(crate) use self::ablation::document as ablation;
pub(crate) use self::certificates::rows as certificates;
pub(crate) use self::examples::table as examples;
pub(crate) use self::flatness::document as flatness;
pub(crate) use self::training::of_epochs;

use crate::chart::{Chart, Plot, Series, Style};
use crate::document::{Block, Document, Section};
use crate::table::Cell;
use cni_evaluation::{Accuracy, Estimate, Evaluated, Point, Record};
use std::collections::HashSet;

/// A model with its record, and a name that is unique in the report.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// The position of the model in the report.
    pub(crate) place: usize,
    pub(crate) evaluated: Evaluated,
}

impl Model {
    fn record(&self) -> &Record {
        &self.evaluated.record
    }
}

/// The document about some models.
pub(crate) fn document(models: &[Model]) -> Document {
    let [checks, sweeps] = checks::blocks(models);
    // The audited attack comes before the checks.
    let checks = match checks.is_empty() {
        true => checks,
        false => audit::blocks(models).into_iter().chain(checks).collect(),
    };
    let sections = [
        ("accuracy", "Accuracy", accuracy::blocks(models)),
        ("comparison", "Comparison", comparison::blocks(models)),
        ("certificates", "Certified robustness", certificates::blocks(models)),
        ("checks", "Checks", checks),
        ("sweeps", "Sweeps and loss surfaces", sweeps),
        ("groups", "By class and by image", groups(models)),
        (
            "spectrum",
            "Spectrum",
            charts(spectrum::chart(models).into_iter().collect()).into_iter().collect(),
        ),
        ("noise", "Learned noise", noise::blocks(models)),
        ("training", "Training", training::blocks(models)),
        ("examples", "Examples", gallery::blocks(models)),
        ("cards", "Threat, model and data", cards::blocks(models)),
        ("reproduce", "How to reproduce", cards::reproduce(models)),
        ("cost", "Cost", cards::cost(models)),
    ];
    let sections = sections.into_iter().filter(|(_, _, blocks)| !blocks.is_empty());
    let mut document = Document {
        title: summary::title(models),
        summary: summary::paragraphs(models),
        overview: summary::table(models),
        headline: summary::headline(models),
        notices: summary::notices(models),
        sections: sections.map(|(id, title, blocks)| Section { id, title, blocks }).collect(),
    };
    let (mut taken, mut seen) = (HashSet::new(), Vec::new());
    for chart in document.charts_mut() {
        chart.id = unique(std::mem::take(&mut chart.id), &mut taken);
        if let Some(source) = &chart.source {
            seen.push((source.check.clone(), chart.id.clone(), chart.title.clone()));
        }
    }
    for check in document.checks_mut() {
        let own = seen.iter().filter(|(id, ..)| *id == check.id);
        check.figures = own.map(|(_, figure, title)| (figure.clone(), title.clone())).collect();
    }
    document
}

/// A unique id: this one, or this one with a number.
fn unique(id: String, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{id}-{number}"));
    let mut all = std::iter::once(id.clone()).chain(numbered);
    let free = all.find(|id| !taken.contains(id)).expect("endless");
    taken.insert(free.clone());
    free
}

/// Accuracy by class, and the distribution of how often the model is right on an image.
fn groups(models: &[Model]) -> Vec<Block> {
    charts([classes::charts(models), probability::charts(models)].concat()).into_iter().collect()
}

/// The name of a model in a caption; empty if there is only one model.
fn of(models: &[Model], model: &Model) -> String {
    if models.len() > 1 { format!(", {}", model.name) } else { String::new() }
}

/// The style of the `n`-th curve of a model.
fn style(models: &[Model], model: &Model, n: usize) -> Style {
    match models.len() {
        1 => Style::nth(n),
        _ => Style::of_model(model.place, n),
    }
}

/// The id of a chart of one model among several.
fn id(models: &[Model], model: &Model, name: &str) -> String {
    match models.len() {
        1 => name.to_string(),
        _ => format!("{name}-{}", crate::format::slug(&model.name)),
    }
}

/// Charts of accuracies on clean images and in the worst case. One model has one chart with both.
/// Several models have two charts, with a curve for each model.
fn clean_and_worst(
    models: &[Model],
    (id, title, note): (&str, &str, &str),
    curve: impl Fn(&Model, bool) -> Option<Vec<Point>>,
    plot: impl Fn(Vec<Series>) -> Plot,
) -> Vec<Chart> {
    const BOTH: [(&str, bool); 2] = [("clean", false), ("worst case", true)];
    let named = |name: &str, model: &Model, worst, style| {
        Some(Series { name: name.to_string(), points: curve(model, worst)?, style })
    };
    if let [model] = models {
        let series = BOTH.iter().enumerate();
        let series =
            series.filter_map(|(n, (name, worst))| named(name, model, *worst, Style::nth(n)));
        let plot = plot(series.collect());
        let chart = Chart::new(id.to_string(), title.to_string(), plot).noted(note);
        return (!chart.is_empty()).then_some(chart).into_iter().collect();
    }
    let chart = |(name, worst): (&str, bool)| {
        let id = format!("{id}-{}", crate::format::slug(name));
        let series = models
            .iter()
            .filter_map(|model| named(&model.name, model, worst, style(models, model, 0)));
        several(id, format!("{title}, {name}"), series.collect(), &plot)
            .map(|chart| chart.noted(note))
    };
    BOTH.into_iter().filter_map(chart).collect()
}

/// A chart with a curve for each of several models. If only one model has a curve, the title names
/// it.
fn several(
    id: String,
    title: String,
    series: Vec<Series>,
    plot: impl Fn(Vec<Series>) -> Plot,
) -> Option<Chart> {
    let title = match series.as_slice() {
        [] => return None,
        [one] => format!("{title}, {}", one.name),
        _ => title,
    };
    Some(Chart::new(id, title, plot(series)))
}

/// The point of an accuracy at a position.
fn point(x: usize, accuracy: &Accuracy) -> Point {
    let e = &accuracy.one_shot;
    Point { x: x as f64, y: e.accuracy, low: Some(e.low), high: Some(e.high) }
}

/// A block of charts; none if there are no charts.
fn charts(charts: Vec<Chart>) -> Option<Block> {
    (!charts.is_empty()).then_some(Block::Charts(charts))
}

/// The cell of a table for an accuracy with its interval.
fn cell(estimate: Option<&Estimate>) -> Cell {
    estimate.map_or(Cell::Missing, |e| Cell::Accuracy([e.accuracy, e.low, e.high]))
}
