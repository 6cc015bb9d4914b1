//! The checks of an evaluation's honesty.

use super::Model;
use crate::chart::{Chart, Plot};
use crate::document::{Block, Finding, Inspection};
use crate::table::{Cell, Table};
use crate::words::{self, count, counted, slug};
use cni_attacks::evaluation::{Check, Curve, Figure, Verdict};

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let mut names: Vec<&str> = Vec::new();
    for check in models.iter().flat_map(|model| &model.record().checks) {
        if !names.contains(&check.name.as_str()) {
            names.push(&check.name);
        }
    }
    let mut inspections: Vec<Inspection> =
        names.iter().map(|name| inspection(models, name)).collect();
    inspections.sort_by_key(|inspection| {
        inspection.findings.iter().map(|finding| gravity(finding.verdict)).min()
    });
    let table = (models.len() > 1 && !names.is_empty()).then(|| table(models, &inspections));
    table.into_iter().map(Block::Table).chain(inspections.into_iter().map(Block::Check)).collect()
}

/// The name of a check as a title.
pub(super) fn title(name: &str) -> String {
    let mut words = name.replace('-', " ").chars().collect::<Vec<_>>();
    if let Some(first) = words.first_mut() {
        *first = first.to_ascii_uppercase();
    }
    words.into_iter().collect()
}

/// What comes first.
fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Warn => 1,
        Verdict::Pass => 2,
        Verdict::Skipped => 3,
    }
}

fn inspection(models: &[Model], name: &str) -> Inspection {
    let found: Vec<(&Model, &Check)> = models
        .iter()
        .flat_map(|model| model.record().checks.iter().map(move |check| (model, check)))
        .filter(|(_, check)| check.name == name)
        .collect();
    let finding = |(model, check): &(&Model, &Check)| Finding {
        model: (models.len() > 1).then(|| model.name.clone()),
        verdict: check.verdict,
        measured: check.measured.clone(),
        cost: cost(check),
    };
    let each = |part: fn(&Check) -> &str| {
        let mut parts: Vec<&str> = found.iter().map(|(_, check)| part(check)).collect();
        parts.dedup();
        parts.join(" ")
    };
    Inspection {
        name: title(name),
        findings: found.iter().map(finding).collect(),
        raised_if: each(|check| &check.raised_if),
        advice: each(|check| &check.advice),
        charts: charts(models, name, &found),
    }
}

fn cost(check: &Check) -> String {
    format!(
        "{}, {} forward and {} backward passes, {}",
        counted(check.examples, "example"),
        count(check.passes.forwards),
        count(check.passes.backwards),
        words::seconds(check.seconds)
    )
}

/// The figures of a check: curves over the same axes in one, else one for each model.
fn charts(models: &[Model], name: &str, found: &[(&Model, &Check)]) -> Vec<Chart> {
    let figures: Vec<(&Model, &Figure)> =
        found.iter().filter_map(|(model, check)| Some((*model, check.figure.as_ref()?))).collect();
    let chart = |id: String, title: String, figure: Figure| Chart {
        id,
        title,
        note: String::new(),
        plot: Plot::Figure(figure),
    };
    let id = slug(name);
    if models.len() > 1
        && let Some(figure) = merged(&figures)
    {
        return vec![chart(id, caption(name, &figure), figure)];
    }
    let single = |(model, figure): &(&Model, &Figure)| {
        let title = format!("{}{}", caption(name, figure), super::of(models, model));
        chart(super::id(models, model, &id), title, (*figure).clone())
    };
    figures.iter().map(single).collect()
}

/// What a figure shows.
fn caption(name: &str, figure: &Figure) -> String {
    match figure {
        Figure::Curves { x, y, .. } => format!("{}: {} over {}", title(name), y.label, x.label),
        Figure::Surface { z, .. } => format!("{}: {}", title(name), z.label),
    }
}

fn merged(figures: &[(&Model, &Figure)]) -> Option<Figure> {
    let (_, Figure::Curves { x, y, .. }) = figures.first()? else {
        return None;
    };
    let mut all = Vec::new();
    for (model, figure) in figures {
        match figure {
            Figure::Curves { x: x2, y: y2, curves } if (x, y) == (x2, y2) => {
                all.extend(curves.iter().map(|curve| Curve {
                    name: match curves.len() {
                        1 => model.name.clone(),
                        _ => format!("{}: {}", model.name, curve.name),
                    },
                    points: curve.points.clone(),
                }));
            }
            _ => return None,
        }
    }
    Some(Figure::Curves { x: x.clone(), y: y.clone(), curves: all })
}

/// Which check found what in which model.
fn table(models: &[Model], inspections: &[Inspection]) -> Table {
    let row = |inspection: &Inspection| {
        let verdict = |model: &Model| {
            let mut findings = inspection.findings.iter();
            let found = findings.find(|finding| finding.model.as_ref() == Some(&model.name));
            found.map_or(Cell::Missing, |finding| Cell::Verdict(finding.verdict))
        };
        let verdicts = models.iter().map(verdict);
        std::iter::once(inspection.name.as_str().into()).chain(verdicts).collect()
    };
    let names = models.iter().map(|model| model.name.clone());
    Table {
        caption: "Verdicts of the checks".to_string(),
        columns: std::iter::once("check".to_string()).chain(names).collect(),
        rows: inspections.iter().map(row).collect(),
    }
}
