//! Content of a page about flatness: a table of models, landscapes, and the losses behind them.

use super::unique;
use crate::chart::{Chart, Plot, Series, Style};
use crate::document::{Block, Document, Section};
use crate::format::{self, counted, significant};
use crate::table::{Cell, Table};
use cni_evaluation::flatness::{FlatnessRecord, LandscapeCurve, PerturbedLosses};
use cni_evaluation::{Axis, Point};
use std::collections::HashSet;

/// A record, and a name that is unique in the page.
type Named<'a> = (String, &'a FlatnessRecord);

/// The document about the flatness of some models.
pub(crate) fn document(records: &[FlatnessRecord]) -> Document {
    let mut taken = HashSet::new();
    let name = |record: &FlatnessRecord| match record.model.name.as_str() {
        "" => "model".to_string(),
        name => name.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let models: Vec<Named> =
        records.iter().map(|record| (unique(name(record), &mut taken), record)).collect();
    let sections = [
        ("landscape", "Landscapes of the robust loss", landscapes(&models)),
        ("attempts", "Losses of all perturbations", attempts(&models)),
        ("settings", "Settings", settings(&models)),
    ];
    let sections = sections.into_iter().filter(|(_, _, blocks)| !blocks.is_empty());
    let names: Vec<String> = models.iter().map(|(name, _)| name.clone()).collect();
    Document {
        title: format!("Flatness of {}", format::list(&names)),
        summary: vec![SUMMARY.to_string()],
        overview: Some(overview(&models)),
        headline: Vec::new(),
        notices: Vec::new(),
        sections: sections.map(|(id, title, blocks)| Section { id, title, blocks }).collect(),
    }
}

const SUMMARY: &str = "Flatness is the robust loss at perturbed weights above that of the weights themselves. Each \
     layer is perturbed by a share ξ of its norm. The larger, the sharper: a sharp minimum on the \
     training data carries over to new data less well. A flat loss can be a high one, so read \
     flatness beside the robust loss (Stutz, Hein and Schiele, ICCV 2021).";

/// The measurements of a record, by name.
fn parts(record: &FlatnessRecord) -> [(&'static str, Option<&PerturbedLosses>); 2] {
    [("average", record.average.as_ref()), ("worst case", record.worst.as_ref())]
}

fn overview(models: &[Named]) -> Table {
    let mut columns = vec!["model".to_string(), "examples".into(), "robust loss".into()];
    let of = |part: usize| models.iter().find_map(|(_, record)| parts(record)[part].1);
    for part in [0, 1] {
        if let Some(losses) = of(part) {
            let name = parts(models[0].1)[part].0;
            let (radius, region) = (format::number(losses.threat.radius()), losses.threat.region());
            columns.push(format!("{name}, {region} of ξ = {radius}"));
            columns.extend((part == 0).then(|| "standard error".to_string()));
        }
    }
    let row = |(name, record): &Named| {
        let mut row = vec![
            name.as_str().into(),
            Cell::Count(record.examples as u64),
            Cell::Number(record.reference),
        ];
        for part in [0, 1] {
            if of(part).is_some() {
                let losses = parts(record)[part].1;
                row.push(losses.map(|losses| losses.flatness).into());
                let error = losses.and_then(|losses| losses.standard_error);
                row.extend((part == 0).then(|| Cell::from(error)));
            }
        }
        row
    };
    let caption = "Robust loss and flatness, in nats; the larger, the sharper".to_string();
    Table { caption, columns, rows: models.iter().map(row).collect() }
}

/// A chart for random directions and one for adversarial ones, with a curve for each model.
fn landscapes(models: &[Named]) -> Vec<Block> {
    let chart = |(id, title, adversarial): (&str, &str, bool)| {
        let curve = |(place, (name, record)): (usize, &Named)| {
            let curves = record.landscape.iter().filter(|of| of.adversarial == adversarial);
            let curves: Vec<&LandscapeCurve> = curves.collect();
            let style = Style::of_model(place, 0);
            (!curves.is_empty()).then(|| Series {
                name: name.clone(),
                points: mean(&curves),
                style,
            })
        };
        let series: Vec<Series> = models.iter().enumerate().filter_map(curve).collect();
        let lengths = models.iter().flat_map(|(_, record)| &record.landscape);
        let length =
            lengths.filter(|of| of.adversarial == adversarial).map(|of| of.length).next()?;
        let length = format::number(length);
        let x = format!("share of the direction, whose length is {length} of each layer's norm");
        let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
        let plot = Plot::Curves { x: axis(&x), y: axis("robust loss"), series };
        let chart = Chart::new(id.to_string(), title.to_string(), plot);
        Some(match adversarial {
            true => chart,
            false => chart.noted("Mean over the directions; the band spans them all."),
        })
    };
    let kinds = [
        ("landscape-random", "Robust loss along random directions", false),
        ("landscape-adversarial", "Robust loss along the direction of the worst case", true),
    ];
    super::charts(kinds.into_iter().filter_map(chart).collect()).into_iter().collect()
}

/// The mean of some curves at each point, with their range.
fn mean(curves: &[&LandscapeCurve]) -> Vec<Point> {
    let points = curves.iter().map(|curve| curve.points.len()).min().unwrap_or(0);
    let at = |index: usize| {
        let values = || curves.iter().map(|curve| curve.points[index].y);
        let y = values().sum::<f64>() / curves.len() as f64;
        let ends = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        let (low, high) =
            if curves.len() > 1 { (Some(ends.0), Some(ends.1)) } else { (None, None) };
        Point { x: curves[0].points[index].x, y, low, high }
    };
    (0..points).map(at).collect()
}

fn attempts(models: &[Named]) -> Vec<Block> {
    let row = |name: &str, part: &str, losses: &PerturbedLosses| {
        let all = losses.losses.iter().map(|loss| significant(*loss, 4)).collect::<Vec<_>>();
        vec![
            name.into(),
            part.into(),
            Cell::Number(losses.mean),
            losses.sd.into(),
            Cell::Text(all.join(", ")),
        ]
    };
    let rows = models.iter().flat_map(|(name, record)| {
        let measured = parts(record).into_iter();
        measured.filter_map(move |(part, losses)| Some(row(name, part, losses?)))
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let columns = ["model", "measure", "mean", "standard deviation", "losses"];
    let caption = "Robust losses at the perturbed weights, in nats".to_string();
    vec![Block::Table(Table { caption, columns: columns.map(String::from).to_vec(), rows })]
}

fn settings(models: &[Named]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let row = |(name, record): &Named| {
        let noise = match record.stochastic {
            true => counted(record.draws, "draw").into(),
            false => Cell::from("no noise"),
        };
        vec![
            name.as_str().into(),
            record.attack_name.as_str().into(),
            Cell::Count(record.reference_restarts as u64),
            noise,
            Cell::Count(record.layers.len() as u64),
            Cell::Code(record.key.to_string()),
            Cell::Count(record.passes.forwards),
            Cell::Count(record.passes.backwards),
            Cell::Seconds(record.seconds),
        ]
    };
    let columns = [
        "model",
        "attack",
        "its runs on the weights themselves",
        "judged by",
        "tensors perturbed",
        "key",
        "forward passes",
        "backward passes",
        "time",
    ];
    let caption = "Measurements, and their cost in passes of single images".to_string();
    let columns = columns.map(String::from).to_vec();
    let rows = models.iter().map(row).collect();
    blocks.push(Block::Table(Table { caption, columns, rows }));
    for (name, record) in models {
        if !record.command.is_empty() {
            blocks.push(Block::Text(format!("The command that measured {name}:")));
            blocks.push(Block::Code(record.command.clone()));
        }
        let all = record.layers.join("\n");
        let attack = format!("{:#}", record.attack);
        let summary = format!("Attack and perturbed tensors of {name}");
        blocks.push(Block::Fold(summary, vec![Block::Code(attack), Block::Code(all)]));
    }
    blocks
}
