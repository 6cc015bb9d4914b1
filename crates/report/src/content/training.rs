//! How a model came to be, epoch by epoch.

use super::{Model, charts, id, of};
use crate::chart::{Chart, Plot};
use crate::document::Block;
use crate::words::slug;
use cni_attacks::evaluation::{Axis, Curve, Epoch, Figure, Point};

/// Layers that a figure can tell apart.
const SHOWN: usize = 6;

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let of_model = |model| scores(models, model).into_iter().chain(noise(models, model));
    charts(models.iter().flat_map(of_model).collect()).into_iter().collect()
}

/// A figure for the accuracies, and one for all other scores whose names end alike, such as losses.
fn scores(models: &[Model], model: &Model) -> Vec<Chart> {
    let history = &model.record().model.history;
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for name in names(history, |epoch| epoch.scores.keys()) {
        let accuracy = ["accuracy", "clean", "robust"].iter().any(|word| name.contains(word))
            && history.iter().all(|e| e.scores.get(name).is_none_or(|v| (0.0..=1.0).contains(v)));
        let group = if accuracy { "accuracy" } else { name.rsplit(' ').next().unwrap_or(name) };
        match groups.iter_mut().find(|(known, _)| known == group) {
            Some((_, names)) => names.push(name),
            None => groups.push((group.to_string(), vec![name])),
        }
    }
    let chart = |(group, names): (String, Vec<&str>)| {
        let curve = |name: &str| curve(history, name, |epoch| epoch.scores.get(name).copied());
        Chart {
            id: id(models, model, &format!("training-{}", slug(&group))),
            title: format!(
                "{} over the training{}",
                super::checks::title(&group),
                of(models, model)
            ),
            note: String::new(),
            plot: over_epochs(&group, names.into_iter().map(curve).collect()),
        }
    };
    groups.into_iter().map(chart).collect()
}

/// The amplitudes of the noise: a curve for each of a few layers, else their mean and range and all of them as a map.
fn noise(models: &[Model], model: &Model) -> Vec<Chart> {
    let history: Vec<&Epoch> =
        model.record().model.history.iter().filter(|epoch| !epoch.noise.is_empty()).collect();
    let layers = names(history.iter().copied(), |epoch| epoch.noise.keys());
    if layers.is_empty() {
        return Vec::new();
    }
    let chart = |name: &str, title: &str, note: String, plot: Plot| Chart {
        id: id(models, model, name),
        title: format!("{title}{}", of(models, model)),
        note,
        plot,
    };
    let (name, title) = ("training-noise", "Learned amplitude of the noise");
    if layers.len() <= SHOWN {
        let curve = |layer: &&str| {
            curve(history.iter().copied(), layer, |epoch| epoch.noise.get(*layer).copied())
        };
        let curves = layers.iter().map(curve).collect();
        return vec![chart(name, title, String::new(), over_epochs("amplitude", curves))];
    }
    let point = |epoch: &&Epoch| {
        let values = || epoch.noise.values().copied();
        let mean = values().sum::<f64>() / epoch.noise.len() as f64;
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        Point { x: epoch.epoch as f64, y: mean, low: Some(low), high: Some(high) }
    };
    let mean = Curve {
        name: "mean over the layers".to_string(),
        points: history.iter().map(point).collect(),
    };
    let mut charts = vec![chart(
        name,
        title,
        "Mean over the layers; the band spans them all.".to_string(),
        over_epochs("amplitude", vec![mean]),
    )];
    let whole = |epoch: &&&Epoch| layers.iter().all(|layer| epoch.noise.contains_key(*layer));
    let whole: Vec<&&Epoch> = history.iter().filter(whole).collect();
    if whole.len() > 1 {
        let numbered = layers.iter().enumerate().map(|(i, layer)| format!("{}: {layer}", i + 1));
        let figure = Figure::Surface {
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
        let note = numbered.collect::<Vec<_>>().join("; ");
        let title = "Learned amplitude of each layer's noise";
        charts.push(chart("training-noise-layers", title, note, Plot::Figure(figure)));
    }
    charts
}

/// The names of what any epoch has, each once, in their order.
fn names<'a, I: Iterator<Item = &'a String>>(
    history: impl IntoIterator<Item = &'a Epoch>,
    keys: impl Fn(&'a Epoch) -> I,
) -> Vec<&'a str> {
    let mut names: Vec<&str> = history.into_iter().flat_map(keys).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn curve<'a>(
    history: impl IntoIterator<Item = &'a Epoch>,
    name: &str,
    value: impl Fn(&Epoch) -> Option<f64>,
) -> Curve {
    let point = |epoch: &Epoch| {
        Some(Point { x: epoch.epoch as f64, y: value(epoch)?, low: None, high: None })
    };
    Curve { name: name.to_string(), points: history.into_iter().filter_map(point).collect() }
}

fn over_epochs(label: &str, curves: Vec<Curve>) -> Plot {
    Plot::Figure(Figure::Curves { x: axis("epoch"), y: axis(label), curves })
}

fn axis(label: &str) -> Axis {
    Axis { label: label.to_string(), logarithmic: false }
}
