//! The distribution of how often a noisy model is right on an image.

use super::{Model, clean_and_worst};
use crate::chart::{Chart, Plot};
use cni_evaluation::{Axis, Point};

/// The largest number of steps of the axis of probabilities.
const STEPS: usize = 20;

pub(super) fn charts(models: &[Model]) -> Vec<Chart> {
    let curve = |model: &Model, worst: bool| {
        let record = model.record();
        if !record.stochastic || record.draws < 2 || worst && record.worst_case.is_none() {
            return None;
        }
        let steps = record.draws.min(STEPS);
        let shares = model.evaluated.by_probability(worst, steps);
        let point = |(step, y): (usize, f64)| {
            let x = step as f64 / steps as f64;
            Point { x, y, low: None, high: None }
        };
        Some(shares.into_iter().enumerate().map(point).collect())
    };
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let plot = |series| {
        let (x, y) = (axis("probability of being correct"), axis("share of the examples"));
        Plot::Curves { x, y, series }
    };
    let note =
        "Images near the ends are nearly always wrong or right; those between depend on the draw.";
    let titled = ("probability", "How often each image is classified correctly", note);
    clean_and_worst(models, titled, curve, plot)
}
