//! The noise that the layers have learned.

use super::{Model, id, of, style};
use crate::chart::{Chart, HeatMap, Plot, Series};
use crate::document::Block;
use crate::format::{self, counted, slug};
use crate::table::{Cell, Table};
use cni_evaluation::NoiseCovariance;
use cni_evaluation::{Axis, Point};

/// Layers of one model whose figures are shown at once; those of more are folded away.
const SHOWN: usize = 2;

/// Layers that a table shows at once; one of more is folded away.
const LINES: usize = 6;

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let noisy = models.iter().filter(|model| !model.record().model.layers.is_empty());
    let noisy: Vec<&Model> = noisy.collect();
    let mut blocks: Vec<Block> = noisy.iter().flat_map(|model| of_model(models, model)).collect();
    // The tables of many layers are folded away, so one tells how much noise there is.
    if noisy.iter().any(|model| model.record().model.layers.len() > LINES) {
        blocks.insert(0, Block::Table(overview(&noisy)));
    }
    blocks
}

fn of_model(models: &[Model], model: &Model) -> Vec<Block> {
    let layers = &model.record().model.layers;
    let charts: Vec<Vec<Chart>> = layers.iter().map(|layer| charts(models, model, layer)).collect();
    let (shown, folded) =
        charts.split_at(if models.len() == 1 { SHOWN.min(charts.len()) } else { 0 });
    let table = Block::Table(table(models, model));
    let mut blocks = match layers.len() {
        0..=LINES => vec![table],
        n => {
            let layers = counted(n, "layer");
            let summary = format!("The noise of {layers}, one by one{}", of(models, model));
            vec![Block::Fold(summary, vec![table])]
        }
    };
    if !shown.is_empty() {
        blocks.push(Block::Charts(shown.concat()));
    }
    if !folded.is_empty() {
        let layers = counted(folded.len(), if shown.is_empty() { "layer" } else { "more layer" });
        let summary = format!("Covariance and spectrum of {layers}{}", of(models, model));
        blocks.push(Block::Fold(summary, vec![Block::Charts(folded.concat())]));
    }
    blocks
}

/// How much noise each model has learned.
fn overview(models: &[&Model]) -> Table {
    let row = |model: &&Model| {
        let layers = &model.record().model.layers;
        let ends = |value: fn(&NoiseCovariance) -> f64| {
            let values = || layers.iter().map(value);
            let low = values().fold(f64::MAX, f64::min);
            let high = values().fold(f64::MIN, f64::max);
            Cell::Text(format::number_range(low, high))
        };
        vec![
            model.name.as_str().into(),
            Cell::Count(layers.len() as u64),
            ends(|layer| layer.amplitude),
            ends(|layer| layer.std_mean),
        ]
    };
    Table {
        caption: "Learned noise, from the layer with the least to that with the most".to_string(),
        columns: ["model", "noisy layers", "amplitude", "mean std"].map(String::from).to_vec(),
        rows: models.iter().map(row).collect(),
    }
}

fn table(models: &[Model], model: &Model) -> Table {
    let row = |layer: &NoiseCovariance| {
        vec![
            Cell::Code(layer.path.clone()),
            layer.law.as_str().into(),
            Cell::Count(layer.elements as u64),
            Cell::Count(layer.channels as u64),
            Cell::Number(layer.amplitude),
            Cell::Number(layer.std_mean),
            Cell::Number(layer.std_max),
            layer.relative_std.into(),
        ]
    };
    let columns = [
        "layer",
        "law",
        "elements",
        "channels",
        "amplitude",
        "mean std",
        "largest std",
        "mean std / std of the weight",
    ];
    Table {
        caption: format!("The noise of each layer{}", of(models, model)),
        columns: columns.map(String::from).to_vec(),
        rows: model.record().model.layers.iter().map(row).collect(),
    }
}

fn charts(models: &[Model], model: &Model, layer: &NoiseCovariance) -> Vec<Chart> {
    let axis = |label: &str, logarithmic| Axis { label: label.to_string(), logarithmic };
    let rows = layer.covariance.len();
    let channel = match rows < layer.channels {
        true => format!("block of {} channels", layer.channels.div_ceil(rows.max(1))),
        false => "channel".to_string(),
    };
    let numbers: Vec<f64> = (0..rows).map(|i| i as f64).collect();
    let name = |kind: &str| id(models, model, &format!("{kind}-{}", slug(&layer.path)));
    let covariance = (rows > 0).then(|| {
        let map = HeatMap {
            x: axis(&channel, false),
            y: axis(&channel, false),
            z: axis("covariance", false),
            xs: numbers.clone(),
            ys: numbers,
            values: layer.covariance.clone(),
        };
        let title = format!("Covariance of the noise of {}", layer.path);
        let note = format!("{}; between channels, mean over the positions within them.", layer.law);
        Chart::new(name("covariance"), title, Plot::HeatMap(map)).noted(note)
    });
    let curve = |n: usize, name: &str, values: &[f64]| Series {
        name: name.to_string(),
        points: values
            .iter()
            .enumerate()
            .map(|(i, y)| Point { x: i as f64 + 1.0, y: *y, low: None, high: None })
            .collect(),
        style: style(models, model, n),
    };
    let series = [
        curve(0, "of the covariance between channels", &layer.eigenvalues),
        curve(1, "of the low-rank part, over all elements", &layer.factor_eigenvalues),
    ];
    let series: Vec<Series> = series.into_iter().filter(|c| !c.points.is_empty()).collect();
    let spectrum = (!series.is_empty()).then(|| {
        let (x, y) = (axis("eigenvalue, by size", false), axis("eigenvalue", true));
        let title = format!("Eigenvalues of the noise of {}", layer.path);
        Chart::new(name("spectrum"), title, Plot::Curves { x, y, series })
            .noted("The eigenvalues of white noise are equal; a steep fall means correlation.")
    });
    covariance.into_iter().chain(spectrum).collect()
}
