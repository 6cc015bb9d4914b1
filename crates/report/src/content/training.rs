//! The training of a model, epoch by epoch.

use super::{Model, charts, several};
use crate::chart::{Chart, HeatMap, Plot, Series, Style};
use crate::document::Block;
use crate::format::slug;
use cni_evaluation::{Axis, Epoch, Point, RobustOverfitting};

/// The largest number of layers that a figure can tell apart.
const SHOWN: usize = 6;

/// The training of a model.
struct Course<'a> {
    name: &'a str,
    /// The position of the model in the report.
    place: usize,
    history: &'a [Epoch],
}

impl<'a> From<&'a Model> for Course<'a> {
    fn from(model: &'a Model) -> Self {
        Self { name: &model.name, place: model.place, history: &model.record().model.history }
    }
}

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    of_courses(&models.iter().map(Course::from).collect::<Vec<_>>())
}

/// The training of one model, from its epochs.
pub(crate) fn of_epochs(history: &[Epoch]) -> Vec<Block> {
    of_courses(&[Course { name: "", place: 0, history }])
}

fn of_courses(models: &[Course]) -> Vec<Block> {
    let scores = match models {
        [model] => scores(model),
        _ => compared(models),
    };
    let maps = models.iter().filter_map(|model| map(models, model));
    let all = scores.into_iter().chain(noise(models)).chain(maps).collect();
    words(models).into_iter().map(Block::Text).chain(charts(all)).collect()
}

/// Robust overfitting, and what happened in an epoch, in words.
fn words(models: &[Course]) -> Vec<String> {
    let of =
        |model: &Course| if models.len() > 1 { format!("{}: ", model.name) } else { "".into() };
    let said = |model: &Course| {
        let overfitting = RobustOverfitting::of(model.history);
        let overfitting = overfitting.map(|found| format!("{}{found}", of(model)));
        let note = |epoch: &Epoch| {
            let number = epoch.epoch;
            let notes = epoch.notes.iter();
            notes.map(|note| format!("{}epoch {number}: {note}.", of(model))).collect::<Vec<_>>()
        };
        overfitting.into_iter().chain(model.history.iter().flat_map(note)).collect::<Vec<_>>()
    };
    models.iter().flat_map(said).collect()
}

/// The style of the `n`-th curve of a model.
fn style(models: &[Course], model: &Course, n: usize) -> Style {
    match models.len() {
        1 => Style::nth(n),
        _ => Style::of_model(model.place, n),
    }
}

/// The kind of a score. Accuracies are one kind; other scores whose names end alike, such as
/// losses, are another.
fn kind<'a>(models: &[Course], name: &'a str) -> &'a str {
    let share = |epoch: &Epoch| epoch.scores.get(name).is_none_or(|v| (0.0..=1.0).contains(v));
    let mut history = models.iter().flat_map(|model| model.history);
    let accuracy = ["accuracy", "clean", "robust"].iter().any(|word| name.contains(word));
    if accuracy && !name.ends_with("loss") && history.all(share) {
        "accuracy"
    } else {
        name.rsplit(' ').next().unwrap_or(name)
    }
}

/// The figures of one model: one for each kind of scores, with a curve for each score, and the best
/// epoch marked.
fn scores(model: &Course) -> Vec<Chart> {
    let models = std::slice::from_ref(model);
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let scores = names(model.history, |epoch| epoch.scores.keys());
    let best = RobustOverfitting::of(model.history).map(|found| found.best.epoch);
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
        let chart =
            Chart::new(format!("training-{}", slug(kind)), title, over_epochs(kind, series));
        let mark = best.filter(|_| ["accuracy", "loss"].contains(&kind));
        chart.marked(mark.map(|epoch| (epoch as f64, format!("best: epoch {epoch}"))))
    };
    groups.into_iter().map(chart).collect()
}

/// The figures of several models: one for each score, with a curve for each model that has it.
fn compared(models: &[Course]) -> Vec<Chart> {
    let chart = |name: &str| {
        let curve = |model: &Course| Series {
            name: model.name.to_string(),
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
    let scores = names(models.iter().flat_map(|model| model.history), |epoch| epoch.scores.keys());
    scores.into_iter().filter_map(chart).collect()
}

/// The amplitudes of the noise: a curve for each layer of one model if there are few layers, else
/// their mean and range.
fn noise(models: &[Course]) -> Option<Chart> {
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
    let curve = |model: &Course| Series {
        name: model.name.to_string(),
        points: model.history.iter().filter(|epoch| !epoch.noise.is_empty()).map(point).collect(),
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
fn map(models: &[Course], model: &Course) -> Option<Chart> {
    let layers = layers(model);
    let whole = |epoch: &&Epoch| layers.iter().all(|layer| epoch.noise.contains_key(*layer));
    let whole: Vec<&Epoch> = model.history.iter().filter(whole).collect();
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
    let (mut id, mut title) = (
        "training-noise-layers".to_string(),
        "Learned amplitude of each layer's noise".to_string(),
    );
    if models.len() > 1 {
        id += &format!("-{}", slug(model.name));
        title += &format!(", {}", model.name);
    }
    let chart = Chart::new(id, title, Plot::HeatMap(map));
    Some(chart.noted(numbered.collect::<Vec<_>>().join("; ")))
}

/// The layers whose noise the training recorded.
fn layers<'a>(model: &Course<'a>) -> Vec<&'a str> {
    names(model.history, |epoch| epoch.noise.keys())
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

fn points(model: &Course, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<Point> {
    let point = |epoch: &Epoch| {
        Some(Point { x: epoch.epoch as f64, y: value(epoch)?, low: None, high: None })
    };
    model.history.iter().filter_map(point).collect()
}

fn over_epochs(label: &str, series: Vec<Series>) -> Plot {
    Plot::Curves { x: axis("epoch"), y: axis(label), series }
}

fn axis(label: &str) -> Axis {
    Axis { label: label.to_string(), logarithmic: false }
}
