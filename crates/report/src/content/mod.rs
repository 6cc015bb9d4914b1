//! What a report says: from records to a document.

mod accuracy;
mod cards;
mod checks;
mod classes;
mod comparison;
mod examples;
mod gallery;
mod noise;
mod probability;
mod summary;
mod training;

pub(crate) use self::examples::table as examples;

use crate::chart::{Chart, Plot};
use crate::document::{Block, Document, Section};
use cni_attacks::evaluation::{Accuracy, Curve, Evaluated, Point, Record};
use std::collections::HashSet;

/// A model with its record, by a name that no other of the report has.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) evaluated: Evaluated,
}

impl Model {
    fn record(&self) -> &Record {
        &self.evaluated.record
    }
}

/// What is reported of some models.
pub(crate) fn document(models: &[Model]) -> Document {
    let sections = [
        ("accuracy", "Accuracy", accuracy::blocks(models)),
        ("comparison", "Comparison", comparison::blocks(models)),
        ("checks", "Checks", checks::blocks(models)),
        ("groups", "By class and by image", groups(models)),
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
        headline: summary::headline(models),
        notices: summary::notices(models),
        sections: sections.map(|(id, title, blocks)| Section { id, title, blocks }).collect(),
    };
    let mut taken = HashSet::new();
    for chart in document.charts_mut() {
        let id = std::mem::take(&mut chart.id);
        let numbered = (2..).map(|number| format!("{id}-{number}"));
        chart.id = std::iter::once(id.clone())
            .chain(numbered)
            .find(|id| !taken.contains(id))
            .expect("endless");
        taken.insert(chart.id.clone());
    }
    document
}

/// Who the accuracy is made of: classes, and images that are right more or less often.
fn groups(models: &[Model]) -> Vec<Block> {
    charts([classes::charts(models), probability::charts(models)].concat()).into_iter().collect()
}

/// What is said of a single model in passing: nothing where there is only one.
fn of(models: &[Model], model: &Model) -> String {
    if models.len() > 1 { format!(", {}", model.name) } else { String::new() }
}

/// A name for a chart of one model among several.
fn id(models: &[Model], model: &Model, name: &str) -> String {
    match models.len() {
        1 => name.to_string(),
        _ => format!("{name}-{}", crate::words::slug(&model.name)),
    }
}

/// Charts of something that each model has on clean images and in the worst case: one chart with both for one model,
/// two charts with a curve for each of several.
fn clean_and_worst(
    models: &[Model],
    (id, title, note): (&str, &str, &str),
    curve: impl Fn(&Model, bool) -> Option<Vec<Point>>,
    plot: impl Fn(Vec<Curve>) -> Plot,
) -> Vec<Chart> {
    let chart = |id: String, title: String, series: Vec<Curve>| Chart {
        id,
        title,
        note: note.to_string(),
        plot: plot(series),
    };
    let named = |name: &str, model: &Model, worst| {
        Some(Curve { name: name.to_string(), points: curve(model, worst)? })
    };
    let charts = match models {
        [model] => {
            let both = [("clean", false), ("worst case", true)];
            let series = both.iter().filter_map(|(name, worst)| named(name, model, *worst));
            vec![chart(id.to_string(), title.to_string(), series.collect())]
        }
        _ => [("clean", false), ("worst case", true)]
            .map(|(name, worst)| {
                let series = models.iter().filter_map(|model| named(&model.name, model, worst));
                let id = format!("{id}-{}", crate::words::slug(name));
                chart(id, format!("{title}, {name}"), series.collect())
            })
            .to_vec(),
    };
    let is_empty = |chart: &Chart| match &chart.plot {
        Plot::Accuracies { series: all, .. } => all.is_empty(),
        Plot::Figure(cni_attacks::evaluation::Figure::Curves { curves, .. }) => curves.is_empty(),
        Plot::Figure(_) => false,
    };
    charts.into_iter().filter(|chart| !is_empty(chart)).collect()
}

/// The point of an accuracy at a place.
fn point(x: usize, accuracy: &Accuracy) -> Point {
    let e = &accuracy.one_shot;
    Point { x: x as f64, y: e.accuracy, low: Some(e.low), high: Some(e.high) }
}

/// Charts as a block; no block where there are none.
fn charts(charts: Vec<Chart>) -> Option<Block> {
    (!charts.is_empty()).then_some(Block::Charts(charts))
}
