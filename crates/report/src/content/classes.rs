//! Accuracy by class.

use super::{Model, clean_and_worst};
use crate::chart::{Chart, Plot};
use cni_evaluation::{DataCard, Point, Row, wilson};
use std::collections::BTreeMap;

/// Most classes that a figure shows; of more, those that fare worst.
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
    let mut note = "Intervals are over examples alone, Wilson's.".to_string();
    let all = models.iter().flat_map(|model| &model.evaluated.rows).map(|row| row.label);
    if all.collect::<std::collections::BTreeSet<_>>().len() > SHOWN {
        note += &format!(" The {SHOWN} classes that fare worst.");
    }
    clean_and_worst(models, ("classes", "Accuracy by class", &note), curve, plot)
}

/// The name of a class.
pub(super) fn name(data: &DataCard, label: i64) -> String {
    let named = usize::try_from(label).ok().and_then(|label| data.classes.get(label));
    named.cloned().unwrap_or_else(|| format!("class {label}"))
}

/// The classes to show, in their order.
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
///
/// With noise an example is right in a share of the draws. The variance over examples is then turned into as many
/// independent trials, and the interval is Wilson's, as of all accuracies.
fn shares(model: &Model, worst: bool) -> BTreeMap<i64, (f64, f64, f64)> {
    let record = model.record();
    let mut classes: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    let correct = |row: &Row| if worst { row.worst_case } else { row.clean };
    for row in &model.evaluated.rows {
        let share = f64::from(correct(row)) / record.draws as f64;
        classes.entry(row.label).or_default().push(share);
    }
    let share = |shares: &Vec<f64>| {
        let n = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / n;
        let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
        let variance = squares / (n - 1.0).max(1.0);
        let trials = match variance > 1e-15 && record.stochastic && record.draws > 1 {
            true => (n * mean * (1.0 - mean) / variance).clamp(n, n * record.draws as f64),
            false => n,
        };
        let (low, high) = wilson(mean.clamp(0.0, 1.0), trials, record.confidence)
            .expect("a record that was checked has a confidence, and a class an example");
        (mean, low, high)
    };
    classes.iter().map(|(label, shares)| (*label, share(shares))).collect()
}
