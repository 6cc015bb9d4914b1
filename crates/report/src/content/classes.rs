//! Accuracy by class.

use super::{Model, clean_and_worst};
use crate::chart::{Chart, Plot};
use cni_evaluation::{DataCard, Point};
use std::collections::BTreeMap;

/// The largest number of classes in a figure. If there are more, those of the lowest accuracy are
/// shown.
const SHOWN: usize = 20;

pub(super) fn charts(models: &[Model]) -> Vec<Chart> {
    let labels = shown(models);
    let Some(first) = models.first().filter(|_| labels.len() > 1) else {
        return Vec::new();
    };
    let categories: Vec<String> =
        labels.iter().map(|label| name(&first.record().data, *label)).collect();
    let attacked = |model: &Model| model.record().worst_case.is_some();
    let curve = |model: &Model, worst: bool| {
        if worst && !attacked(model) {
            return None;
        }
        let shares = shares(model, worst);
        let point = |(x, label): (usize, &i64)| {
            let (y, low, high) = *shares.get(label)?;
            Some(Point { x: x as f64, y, low: Some(low), high: Some(high) })
        };
        Some(labels.iter().enumerate().filter_map(point).collect())
    };
    let plot = |series| Plot::Accuracies { categories: categories.clone(), series };
    let mut note = "Intervals are Wilson's, over the examples of a class alone.".to_string();
    let all = models.iter().flat_map(|model| &model.evaluated.rows).map(|row| row.label);
    if all.collect::<std::collections::BTreeSet<_>>().len() > SHOWN {
        note += &format!(" Shown are the {SHOWN} classes of the lowest accuracy.");
    }
    clean_and_worst(models, ("classes", "Accuracy by class", &note), curve, plot)
}

/// The name of a class.
pub(super) fn name(data: &DataCard, label: i64) -> String {
    let named = usize::try_from(label).ok().and_then(|label| data.classes.get(label));
    named.cloned().unwrap_or_else(|| format!("class {label}"))
}

/// The classes that are shown, in their order.
fn shown(models: &[Model]) -> Vec<i64> {
    let mut lowest: BTreeMap<i64, f64> = BTreeMap::new();
    for model in models {
        for (label, (share, ..)) in shares(model, true) {
            let entry = lowest.entry(label).or_insert(share);
            *entry = entry.min(share);
        }
    }
    let mut labels: Vec<(i64, f64)> = lowest.into_iter().collect();
    labels.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut labels: Vec<i64> = labels.into_iter().take(SHOWN).map(|(label, _)| label).collect();
    labels.sort_unstable();
    labels
}

/// The accuracy of each class with its interval.
fn shares(model: &Model, worst: bool) -> BTreeMap<i64, (f64, f64, f64)> {
    let shares = model.evaluated.by_class(worst);
    shares.expect("a record that was checked has a confidence, and no more hits than draws")
}
