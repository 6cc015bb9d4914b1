//! Accuracies of all models under all attacks.

use super::{Model, cascade, cell, charts, clean_and_worst, of, point, radii, style};
use crate::chart::{Chart, Plot, Series};
use crate::document::Block;
use crate::format;
use crate::table::{Cell, Table};
use cni_evaluation::{Accuracy, Estimate, Point, Record};

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let lines = lines(models);
    let mut blocks =
        vec![Block::Table(overview(models, &lines)), Block::Charts(vec![figure(models, &lines)])];
    blocks.extend(no_evidence(models).map(Block::Text));
    blocks.extend(cascade::blocks(models));
    blocks.extend(charts(radii::charts(models)));
    let noisy = || models.iter().filter(|model| kinds(model.record()).len() > 1);
    if noisy().next().is_some() {
        blocks.push(Block::Text(
            "A model with noise has several accuracies. One shot: the noise is drawn once, as in \
             use. Vote: the class that most of several draws give. Best of several: the attacker \
             submits the same image several times and wins if one draw errs. Noise off and fixed \
             noise: the model is attacked and judged without its noise, or with one draw of it."
                .to_string(),
        ));
        blocks.extend(noisy().map(|model| Block::Table(by_kind(models, model))));
        blocks.extend(charts(figure_by_kind(models)));
    }
    blocks
}

/// The note on attacks on noisy models that are no evidence in a comparison with models without
/// noise, if there are both kinds.
fn no_evidence(models: &[Model]) -> Option<String> {
    if models.iter().all(|model| model.record().stochastic) {
        return None;
    }
    let neglect = |model: &Model| {
        let record = model.record();
        let attacks = record.attacks.iter().filter(|attack| !record.is_evidence(attack));
        let names: Vec<String> = attacks.map(|attack| attack.name.clone()).collect();
        (!names.is_empty()).then(|| format!("{} on {}", format::list(&names), model.name))
    };
    let all: Vec<String> = models.iter().filter_map(neglect).collect();
    (!all.is_empty()).then(|| {
        format!(
            "No evidence: {}. These do not average over the draws of the model's noise (EOT), or \
             look for its nearest image, so the accuracy under them says nothing against a model \
             without noise.",
            all.join("; ")
        )
    })
}

/// A line of the table of accuracies: the clean images, an attack or the worst case, and the
/// accuracy of each model, if it was measured.
struct Line<'a> {
    name: String,
    values: Vec<Option<&'a Accuracy>>,
}

/// The lines: clean, each attack of any model, worst case. Attacks with equal settings share a
/// line.
fn lines(models: &[Model]) -> Vec<Line<'_>> {
    let mut attacks: Vec<(String, String)> = Vec::new();
    for identity in models.iter().flat_map(identities) {
        if !attacks.contains(&identity) {
            attacks.push(identity);
        }
    }
    let clean = models.iter().map(|model| Some(&model.record().clean)).collect();
    let mut lines = vec![Line { name: "clean".to_string(), values: clean }];
    for (name, hash) in &attacks {
        let alone = attacks.iter().filter(|(other, _)| other == name).count() == 1;
        let short: String = hash.chars().take(6).collect();
        let find = |model: &'_ Model| -> Option<usize> {
            identities(model).position(|(own, of_own)| (&own, &of_own) == (name, hash))
        };
        lines.push(Line {
            name: if alone { name.clone() } else { format!("{name} ({short})") },
            values: models
                .iter()
                .map(|model| find(model).map(|i| &model.record().attacks[i].robust))
                .collect(),
        });
    }
    let worst: Vec<_> = models.iter().map(|model| model.record().worst_case.as_ref()).collect();
    if worst.iter().any(Option::is_some) {
        lines.push(Line { name: "worst case".to_string(), values: worst });
    }
    lines
}

/// The names of the attacks of a model, and their identity: the settings, in a cascade together
/// with those of the attacks before.
fn identities(model: &Model) -> impl Iterator<Item = (String, String)> + '_ {
    let (record, mut before) = (model.record(), String::new());
    record.attacks.iter().map(move |attack| {
        if record.cascade.is_none() {
            before.clear();
        }
        before.insert_str(0, &attack.hash);
        (record.heading(attack), before.clone())
    })
}

/// The name of the interval of accuracies.
pub(super) const INTERVAL: &str =
    "Intervals are Wilson's, for as many independent trials as the examples and draws are worth";

fn overview(models: &[Model], lines: &[Line]) -> Table {
    let names = models.iter().map(|model| format!("{}, %", model.name));
    let row = |line: &Line| {
        let values = line.values.iter().map(|value| cell(value.map(|value| &value.one_shot)));
        std::iter::once(Cell::from(line.name.as_str())).chain(values).collect()
    };
    Table {
        caption: format!("Accuracy in percent with its interval, one shot. {INTERVAL}"),
        columns: std::iter::once("images".to_string()).chain(names).collect(),
        rows: lines.iter().map(row).collect(),
    }
}

fn figure(models: &[Model], lines: &[Line]) -> Chart {
    let curve = |(index, model): (usize, &Model)| Series {
        name: model.name.clone(),
        style: style(models, model, 0),
        points: lines
            .iter()
            .enumerate()
            .filter_map(|(x, line)| Some(point(x, line.values[index]?)))
            .collect(),
    };
    let plot = Plot::Accuracies {
        categories: lines.iter().map(|line| line.name.clone()).collect(),
        series: models.iter().enumerate().map(curve).collect(),
    };
    Chart::new("accuracy".to_string(), "Accuracy on clean and attacked images".to_string(), plot)
        .noted("Bars end at the accuracy, lines span its interval.")
}

/// One of the accuracies that an [`Accuracy`] holds.
type Kind = (String, fn(&Accuracy) -> Option<&Estimate>);

/// The kinds of accuracy that a record has.
fn kinds(record: &Record) -> Vec<Kind> {
    let all: [Kind; 5] = [
        ("one shot".to_string(), |a| Some(&a.one_shot)),
        (format!("vote of {}", record.votes), |a| a.vote.as_ref()),
        (format!("best of {}", record.tries), |a| a.best_of.as_ref()),
        ("noise off".to_string(), |a| a.noise_off.as_ref()),
        ("fixed noise".to_string(), |a| a.fixed_noise.as_ref()),
    ];
    let robust = record.attacks.iter().map(|attack| &attack.robust);
    let held: Vec<&Accuracy> =
        std::iter::once(&record.clean).chain(robust).chain(&record.worst_case).collect();
    all.into_iter().filter(|(_, get)| held.iter().any(|a| get(a).is_some())).collect()
}

fn by_kind(models: &[Model], model: &Model) -> Table {
    let (record, kinds) = (model.record(), kinds(model.record()));
    let row = |name: &str, accuracy: &Accuracy| {
        let values = kinds.iter().map(|(_, get)| cell(get(accuracy)));
        std::iter::once(Cell::from(name)).chain(values).collect()
    };
    let mut rows = vec![row("clean", &record.clean)];
    let attacks = record.attacks.iter();
    rows.extend(attacks.map(|attack| row(&record.heading(attack), &attack.robust)));
    rows.extend(record.worst_case.iter().map(|worst| row("worst case", worst)));
    let names = kinds.iter().map(|(name, _)| format!("{name}, %"));
    Table {
        caption: format!("Accuracy in percent by the state of the noise{}", of(models, model)),
        columns: std::iter::once("images".to_string()).chain(names).collect(),
        rows,
    }
}

fn figure_by_kind(models: &[Model]) -> Vec<Chart> {
    let mut categories: Vec<String> = Vec::new();
    for (name, _) in models.iter().flat_map(|model| kinds(model.record())) {
        if !categories.contains(&name) {
            categories.push(name);
        }
    }
    let curve = |model: &Model, worst: bool| {
        let record = model.record();
        let accuracy = if worst { record.worst_case.as_ref()? } else { &record.clean };
        let point = |(name, get): Kind| {
            let x = categories.iter().position(|category| *category == name)?;
            let e = get(accuracy)?;
            Some(Point { x: x as f64, y: e.accuracy, low: Some(e.low), high: Some(e.high) })
        };
        Some(kinds(record).into_iter().filter_map(point).collect())
    };
    let plot = |series| Plot::Accuracies { categories: categories.clone(), series };
    clean_and_worst(models, ("noise-states", "Accuracy by the state of the noise", ""), curve, plot)
}
