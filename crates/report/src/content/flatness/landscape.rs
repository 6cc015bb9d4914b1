//! Charts of landscapes.

use super::{Named, names};
use crate::chart::{Chart, Plot, Series, Style};
use crate::content::charts;
use crate::document::Block;
use crate::format;
use cni_evaluation::flatness::{FlatnessRecord, LandscapeCurve};
use cni_evaluation::{Axis, Point};

/// Charts of random directions and of adversarial ones for each kind, with a curve for each model.
pub(super) fn blocks(kinds: &[Vec<&Named>]) -> Vec<Block> {
    const OF: [(&str, &str, bool); 2] = [
        ("landscape-random", "Robust loss along random directions", false),
        ("landscape-adversarial", "Robust loss along the direction of the worst case", true),
    ];
    let mut all = Vec::new();
    for (number, kind) in kinds.iter().enumerate() {
        for (id, title, adversarial) in OF {
            let (id, title) = match kinds.len() {
                1 => (id.to_string(), title.to_string()),
                _ => {
                    let names = names(kind.iter().copied());
                    (format!("{id}-{}", number + 1), format!("{title}, {names}"))
                }
            };
            all.extend(landscape(kind, id, title, adversarial));
        }
    }
    charts(all).into_iter().collect()
}

/// The chart of one sort of directions; `None` if no model has any.
fn landscape(models: &[&Named], id: String, title: String, adversarial: bool) -> Option<Chart> {
    let curve = |model: &&Named| {
        let curves = along(model.record, adversarial);
        (!curves.is_empty()).then(|| Series {
            name: model.name.clone(),
            points: mean(&curves),
            style: Style::of_model(model.place, 0),
        })
    };
    let series: Vec<Series> = models.iter().filter_map(curve).collect();
    // One kind of measurement has one length.
    let mut lengths = models.iter().flat_map(|model| along(model.record, adversarial));
    let length = format::number(lengths.next()?.length);
    let x = format!("share of the direction, whose length is {length} of each layer's norm");
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let plot = Plot::Curves { x: axis(&x), y: axis("robust loss"), series };
    let chart = Chart::new(id, title, plot);
    Some(match adversarial {
        true => chart,
        false => chart.noted("Mean over the directions; the band spans them all."),
    })
}

/// The curves of a record along one sort of directions.
fn along(record: &FlatnessRecord, adversarial: bool) -> Vec<&LandscapeCurve> {
    record.landscape.iter().filter(|curve| curve.adversarial == adversarial).collect()
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
