//! The training of a model, epoch by epoch.

use super::{Model, charts, id, of, several, style};
use crate::chart::{Chart, HeatMap, Plot, Series};
use crate::document::Block;
use crate::format::slug;
use cni_evaluation::{Axis, Epoch, Point};

/// The largest number of layers that a figure can tell apart.
const SHOWN: usize = 6;

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let scores = match models {
        [model] => scores(model),
        _ => compared(models),
    };
    let maps = models.iter().filter_map(|model| map(models, model));
    let all = scores.into_iter().chain(noise(models)).chain(maps).collect();
    charts(all).into_iter().collect()
}

/// The kind of a score. Accuracies are one kind; other scores whose names end alike, such as
/// losses, are another.
fn kind<'a>(models: &[Model], name: &'a str) -> &'a str {
    let share = |epoch: &Epoch| epoch.scores.get(name).is_none_or(|v| (0.0..=1.0).contains(v));
    let mut history = models.iter().flat_map(history);
    let accuracy = ["accuracy", "clean", "robust"].iter().any(|word| name.contains(word));
    if accuracy && history.all(share) {
        "accuracy"
    } else {
        name.rsplit(' ').next().unwrap_or(name)
    }
}

/// The figures of one model: one for each kind of scores, with a curve for each score.
fn scores(model: &Model) -> Vec<Chart> {
    let models = std::slice::from_ref(model);
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let scores = names(history(model), |epoch| epoch.scores.keys());
    for name in &scores {
        let kind = kind(models, name);
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.push(name),
            None => groups.push((kind, vec![name])),
        }
    }
    let chart = |(kind, names): (&str, Vec<&str>)| {
        let score = |(n, name): (usize, &&str)| Series {
            name: (*name).to_string(),
            points: points(model, |epoch| epoch.scores.get(*name).copied()),
            style: style(models, model, n),
        };
        let title = format!("{} over the training", super::checks::title(kind));
        let series = names.iter().enumerate().map(score).collect();
        Chart::new(format!("training-{}", slug(kind)), title, over_epochs(kind, series))
    };
    groups.into_iter().map(chart).collect()
}

/// The figures of several models: one for each score, with a curve for each model that has it.
fn compared(models: &[Model]) -> Vec<Chart> {
    let chart = |name: &str| {
        let curve = |model: &Model| Series {
            name: model.name.clone(),
            points: points(model, |epoch| epoch.scores.get(name).copied()),
            style: style(models, model, 0),
        };
        let series = models.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
        let kind = kind(models, name);
        let measured = if name.ends_with(kind) { String::new() } else { format!(" {kind}") };
        let title = format!("{}{measured} over the training", super::checks::title(name));
        let plot = |series| over_epochs(kind, series);
        several(format!("training-{}", slug(name)), title, series, plot)
    };
    let scores = names(models.iter().flat_map(history), |epoch| epoch.scores.keys());
    scores.into_iter().filter_map(chart).collect()
}

/// The amplitudes of the noise: a curve for each layer of one model if there are few layers, else
/// their mean and range.
fn noise(models: &[Model]) -> Option<Chart> {
    let (id, title) = ("training-noise".to_string(), "Learned amplitude of the noise".to_string());
    let plot = |series| over_epochs("amplitude", series);
    if let [model] = models {
        let layers = layers(model);
        if layers.is_empty() {
            return None;
        }
        if layers.len() <= SHOWN {
            let curve = |(n, layer): (usize, &&str)| Series {
                name: (*layer).to_string(),
                points: points(model, |epoch| epoch.noise.get(*layer).copied()),
                style: style(models, model, n),
            };
            return Some(Chart::new(
                id,
                title,
                plot(layers.iter().enumerate().map(curve).collect()),
            ));
        }
    }
    let point = |epoch: &Epoch| {
        let values = || epoch.noise.values().copied();
        let mean = values().sum::<f64>() / epoch.noise.len() as f64;
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        Point { x: epoch.epoch as f64, y: mean, low: Some(low), high: Some(high) }
    };
    let curve = |model: &Model| Series {
        name: model.name.clone(),
        points: history(model).iter().filter(|epoch| !epoch.noise.is_empty()).map(point).collect(),
        style: style(models, model, 0),
    };
    let series: Vec<Series> =
        models.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
    let chart = match models {
        [_] => Some(Chart::new(id, title, plot(series))),
        _ => several(id, title, series, plot),
    };
    chart.map(|chart| chart.noted("Mean over the layers; the band spans them all."))
}

/// The map of the amplitudes, if there are more layers than curves can show.
fn map(models: &[Model], model: &Model) -> Option<Chart> {
    let layers = layers(model);
    let whole = |epoch: &&Epoch| layers.iter().all(|layer| epoch.noise.contains_key(*layer));
    let whole: Vec<&Epoch> = history(model).iter().filter(whole).collect();
    if layers.len() <= SHOWN || whole.len() < 2 {
        return None;
    }
    let map = HeatMap {
        x: axis("epoch"),
        y: axis("layer, by number"),
        z: axis("amplitude"),
        xs: whole.iter().map(|epoch| epoch.epoch as f64).collect(),
        ys: (1..=layers.len()).map(|number| number as f64).collect(),
        values: layers
            .iter()
            .map(|layer| whole.iter().map(|epoch| epoch.noise[*layer]).collect())
            .collect(),
    };
    let numbered = layers.iter().enumerate().map(|(i, layer)| format!("{}: {layer}", i + 1));
    let title = format!("Learned amplitude of each layer's noise{}", of(models, model));
    let chart = Chart::new(id(models, model, "training-noise-layers"), title, Plot::HeatMap(map));
    Some(chart.noted(numbered.collect::<Vec<_>>().join("; ")))
}

fn history(model: &Model) -> &[Epoch] {
    &model.record().model.history
}

/// The layers whose noise the training recorded.
fn layers(model: &Model) -> Vec<&str> {
    names(history(model), |epoch| epoch.noise.keys())
}

/// The names that any epoch has, each once, in their order.
fn names<'a, I: Iterator<Item = &'a String>>(
    history: impl IntoIterator<Item = &'a Epoch>,
    keys: impl Fn(&'a Epoch) -> I,
) -> Vec<&'a str> {
    let mut names: Vec<&str> = history.into_iter().flat_map(keys).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn points(model: &Model, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<Point> {
    let point = |epoch: &Epoch| {
        Some(Point { x: epoch.epoch as f64, y: value(epoch)?, low: None, high: None })
    };
    history(model).iter().filter_map(point).collect()
}

fn over_epochs(label: &str, series: Vec<Series>) -> Plot {
    Plot::Curves { x: axis("epoch"), y: axis(label), series }
}

fn axis(label: &str) -> Axis {
    Axis { label: label.to_string(), logarithmic: false }
}
