//! The result of a check before it is named and counted.

use super::judgement::Judgement;
use super::labelled::LabelledPredictions;
use crate::{Axis, Curve, Figure, Point, Verdict};
use std::collections::BTreeMap;

/// The result of a check: those parts of a [`Check`](crate::Check) that are known only after it
/// ran.
pub(super) struct CheckResult {
    pub verdict: Verdict,
    pub measured: String,
    pub values: BTreeMap<String, f64>,
    pub figure: Option<Figure>,
    /// The difference that the rule names.
    pub bound: Option<f64>,
    /// The smallest difference that the check could have seen.
    pub detectable: Option<f64>,
    /// The upper limit of the difference, if the pass rests on it.
    pub at_most: Option<f64>,
    /// The number of examples that the check would need.
    pub needed: Option<usize>,
}

impl CheckResult {
    pub fn new(verdict: Verdict, measured: impl Into<String>) -> Self {
        let (measured, values) = (measured.into(), BTreeMap::new());
        Self {
            verdict,
            measured,
            values,
            figure: None,
            bound: None,
            detectable: None,
            at_most: None,
            needed: None,
        }
    }

    /// The result of a rule, from its judgement.
    pub fn judged(judgement: &Judgement, measured: impl Into<String>) -> Self {
        Self {
            bound: Some(judgement.bound),
            detectable: Some(judgement.detectable),
            at_most: judgement.at_most_seen(),
            needed: judgement.needed(),
            ..Self::new(judgement.verdict, measured.into() + &judgement.note())
        }
    }

    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, reason)
    }

    /// Adds a number to the values. A number that is not finite is left out, because records have
    /// none.
    pub fn value(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() {
            self.values.insert(name.into(), value);
        }
        self
    }

    pub fn figure(self, figure: Figure) -> Self {
        Self { figure: Some(figure), ..self }
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A difference of shares in points.
pub(super) fn points(difference: f64) -> String {
    format!("{:.1} points", 100.0 * difference)
}

/// A figure of accuracies over an axis.
pub(super) fn accuracies(x: &str, logarithmic: bool, curves: Vec<Curve>) -> Figure {
    Figure::Curves {
        x: Axis { label: x.to_string(), logarithmic },
        y: Axis { label: "accuracy".to_string(), logarithmic: false },
        curves,
    }
}

/// A curve of accuracies with their intervals, by ascending places.
pub(super) fn curve<'a>(
    name: &str,
    places: impl IntoIterator<Item = (f64, &'a LabelledPredictions)>,
) -> Curve {
    let point = |(x, predictions): (f64, &LabelledPredictions)| {
        let estimate = predictions.estimate();
        Point { x, y: estimate.accuracy, low: Some(estimate.low), high: Some(estimate.high) }
    };
    let mut points: Vec<Point> = places.into_iter().map(point).collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Curve { name: name.to_string(), points }
}
