//! Accuracy under attack against the radius.

use super::{Model, style};
use crate::chart::{Chart, Plot, Series};
use crate::format;
use cni_attacks::Norm;
use cni_evaluation::{Axis, EpsilonCurve, Estimate, Point, Record};

const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

/// The figures, one for each norm. For one model they have a curve for each attack, for several a
/// curve for each model.
pub(super) fn charts(models: &[Model]) -> Vec<Chart> {
    NORMS.into_iter().filter_map(|norm| chart(models, norm)).collect()
}

fn chart(models: &[Model], norm: Norm) -> Option<Chart> {
    let series: Vec<Series> = match models {
        [model] => each_attack(models, model, norm),
        _ => models.iter().filter_map(|model| whole(models, model, norm)).collect(),
    };
    if series.is_empty() {
        return None;
    }
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let name = format::norm(norm);
    let (x, y) = (axis(&format!("ε in {name}, of pixels in [0, 1]")), axis("robust accuracy"));
    let title = format!("Robust accuracy against the radius in {name}");
    let id = format!("radii-{}", format::slug(&format!("{norm:?}")));
    let chart = Chart::new(id, title, Plot::Curves { x, y, series });
    Some(match models {
        [_] => chart,
        _ => chart.noted("At each radius the lowest accuracy under any of the model's attacks."),
    })
}

fn each_attack(models: &[Model], model: &Model, norm: Norm) -> Vec<Series> {
    let record = model.record();
    let curve = |(n, curve): (usize, &EpsilonCurve)| {
        let attack = record.attacks.iter().find(|attack| attack.name == curve.attack);
        let name = attack.map_or_else(|| curve.attack.clone(), |attack| record.heading(attack));
        Series { name, points: points(of_curve(curve)), style: style(models, model, n) }
    };
    of_norm(record, norm).enumerate().map(curve).collect()
}

fn whole(models: &[Model], model: &Model, norm: Norm) -> Option<Series> {
    let points = points(of_norm(model.record(), norm).flat_map(of_curve));
    let (name, style) = (model.name.clone(), style(models, model, 0));
    (!points.is_empty()).then_some(Series { name, points, style })
}

/// The lowest accuracy of a model at each radius of a norm, by increasing radius, beginning with
/// clean accuracy at zero. Empty if the model was not attacked in this norm.
pub(super) fn lowest(record: &Record, norm: Norm) -> Vec<Point> {
    let attacks = record.attacks.iter().filter_map(|attack| {
        let threat = attack.threat().filter(|threat| threat.norm() == norm)?;
        Some((threat.epsilon(), &attack.robust.one_shot))
    });
    let all: Vec<_> = attacks.chain(of_norm(record, norm).flat_map(of_curve)).collect();
    match all.is_empty() {
        true => Vec::new(),
        false => points(all.into_iter().chain([(0.0, &record.clean.one_shot)])),
    }
}

/// The curves of the attacks in a norm.
fn of_norm(record: &Record, norm: Norm) -> impl Iterator<Item = &EpsilonCurve> {
    let is_of = move |curve: &&EpsilonCurve| {
        let mut attacks = record.attacks.iter();
        let attack = attacks.find(|attack| attack.name == curve.attack);
        attack.and_then(|attack| attack.threat()).is_some_and(|threat| threat.norm() == norm)
    };
    record.curves.iter().filter(is_of)
}

fn of_curve(curve: &EpsilonCurve) -> impl Iterator<Item = (f64, &Estimate)> {
    curve.points.iter().map(|point| (point.epsilon, &point.accuracy.one_shot))
}

/// The lowest accuracy at each radius, by rising radius.
fn points<'a>(all: impl Iterator<Item = (f64, &'a Estimate)>) -> Vec<Point> {
    let mut all: Vec<(f64, &Estimate)> = all.collect();
    all.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.accuracy.total_cmp(&y.accuracy)));
    all.dedup_by_key(|(radius, _)| *radius);
    let point = |(x, e): (f64, &Estimate)| {
        let (low, high) = (Some(e.low), Some(e.high));
        Point { x, y: e.accuracy, low, high }
    };
    all.into_iter().map(point).collect()
}
