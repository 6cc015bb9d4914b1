//! Content of a page about flatness: a table of models, landscapes, and the losses behind them.

mod landscape;

use super::unique;
use crate::document::{Block, Document, Section};
use crate::format::{self, counted, significant};
use crate::table::{Cell, Table};
use cni_evaluation::flatness::{FlatnessRecord, PerturbedLosses, flatness_kinds};
use std::collections::HashSet;

/// A record, its place in the page, and a name that is unique there.
struct Named<'a> {
    name: String,
    place: usize,
    record: &'a FlatnessRecord,
}

/// The document about the flatness of some models.
pub(crate) fn document(records: &[FlatnessRecord]) -> Document {
    let mut taken = HashSet::new();
    let name = |record: &FlatnessRecord| match record.model.name.as_str() {
        "" => "model".to_string(),
        name => name.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let named = |(place, record)| Named { name: unique(name(record), &mut taken), place, record };
    let models: Vec<Named> = records.iter().enumerate().map(named).collect();
    let kinds = flatness_kinds(records).into_iter();
    let kinds = kinds.map(|kind| kind.into_iter().map(|place| &models[place]).collect());
    let kinds: Vec<Vec<&Named>> = kinds.collect();
    let (overview, tables) = match kinds.as_slice() {
        [kind] => (Some(overview(kind)), Vec::new()),
        _ => (None, by_kind(&kinds)),
    };
    let sections = [
        ("kinds", "Robust loss and flatness", tables),
        ("landscape", "Landscapes of the robust loss", landscape::blocks(&kinds)),
        ("attempts", "Losses of all perturbations", attempts(&models)),
        ("settings", "Settings", settings(&models)),
    ];
    let sections = sections.into_iter().filter(|(_, _, blocks)| !blocks.is_empty());
    Document {
        title: format!("Flatness of {}", names(&models)),
        summary: vec![SUMMARY.to_string()],
        overview,
        headline: Vec::new(),
        notices: Vec::new(),
        sections: sections.map(|(id, title, blocks)| Section { id, title, blocks }).collect(),
    }
}

/// The names of some models in a sentence.
fn names<'a, 'b: 'a>(models: impl IntoIterator<Item = &'a Named<'b>>) -> String {
    format::list(&models.into_iter().map(|model| model.name.clone()).collect::<Vec<_>>())
}

const SUMMARY: &str = "Flatness is the robust loss at perturbed weights above that of the weights \
     themselves. Each layer is perturbed by a share ξ of its norm. The larger, the sharper: a \
     sharp minimum on the training data carries over to new data less well. A flat loss can be a \
     high one, so read flatness beside the robust loss (Stutz, Hein and Schiele, ICCV 2021).";

/// The measurements of a record, by name.
fn parts(record: &FlatnessRecord) -> [(&'static str, Option<&PerturbedLosses>); 2] {
    [("average", record.average.as_ref()), ("worst case", record.worst.as_ref())]
}

/// A table for each of several kinds, with what sets it apart from the first.
fn by_kind(kinds: &[Vec<&Named>]) -> Vec<Block> {
    let intro = format!(
        "These measurements are of {}, and a flatness of one cannot be compared with one of \
         another.",
        counted(kinds.len(), "kind")
    );
    let mut blocks = vec![Block::Text(intro)];
    for (number, kind) in kinds.iter().enumerate() {
        let unlike = |model: &&Named| {
            kinds[0].iter().find_map(|first| model.record.other_kind(first.record))
        };
        // The models of the first kind are alike, and differ from none of themselves.
        if let Some(other) = kind.iter().find_map(unlike) {
            let (setting, got, wanted) = (other.setting, other.got, other.wanted);
            let names = names(kind.iter().copied());
            let text = format!("{names}: measured with {setting} {got} instead of {wanted}.");
            blocks.push(Block::Text(text));
        }
        let table = overview(kind);
        let caption = format!("{}, kind {}", table.caption, number + 1);
        blocks.push(Block::Table(Table { caption, ..table }));
    }
    blocks
}

fn overview(models: &[&Named]) -> Table {
    let mut columns = vec!["model".to_string(), "examples".into(), "robust loss".into()];
    let of = |part: usize| models.iter().find_map(|model| parts(model.record)[part].1);
    for part in [0, 1] {
        if let Some(losses) = of(part) {
            let name = parts(models[0].record)[part].0;
            let (radius, region) = (format::number(losses.threat.radius()), losses.threat.region());
            columns.push(format!("{name}, {region} of ξ = {radius}"));
            columns.extend((part == 0).then(|| "standard error".to_string()));
        }
    }
    let row = |Named { name, record, .. }: &&Named| {
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
    let rows = models.iter().flat_map(|Named { name, record, .. }| {
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
    let row = |Named { name, record, .. }: &Named| {
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
    for Named { name, record, .. } in models {
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
