//! Accuracy of parts of the examples: by class, and by how often the model is right.

use crate::statistics::shares::mean_share;
use crate::{Evaluated, Row, StatisticsError};
use std::collections::BTreeMap;

impl Evaluated {
    /// The accuracy of each class, by its label, as `(accuracy, low, high)`: on the images as they
    /// are, or in the worst case.
    ///
    /// The interval is Wilson's, over the examples of the class alone: their variance is turned
    /// into as many independent trials, one to as many as there are draws for each example.
    ///
    /// # Errors
    ///
    /// If the record's confidence is none, or a row has more correct draws than there are.
    pub fn by_class(
        &self,
        worst_case: bool,
    ) -> Result<BTreeMap<i64, (f64, f64, f64)>, StatisticsError> {
        let mut classes: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for row in &self.rows {
            classes.entry(row.label).or_default().push(self.share(row, worst_case));
        }
        let (draws, confidence) = (self.record.draws as f64, self.record.confidence);
        let of =
            |(label, shares): (i64, Vec<f64>)| Ok((label, mean_share(&shares, draws, confidence)?));
        classes.into_iter().map(of).collect()
    }

    /// The share of the examples on which the model is right with a probability near 0, near
    /// `1 / steps`, and so on to 1, over the draws of its noise: `steps + 1` shares.
    ///
    /// # Panics
    ///
    /// If there are no steps.
    pub fn by_probability(&self, worst_case: bool, steps: usize) -> Vec<f64> {
        assert!(steps > 0, "at least one step");
        let mut counts = vec![0usize; steps + 1];
        for row in &self.rows {
            let step = (self.share(row, worst_case) * steps as f64).round() as usize;
            counts[step.min(steps)] += 1;
        }
        let n = self.rows.len().max(1) as f64;
        counts.into_iter().map(|count| count as f64 / n).collect()
    }

    /// The share of draws in which the model is right on an example.
    fn share(&self, row: &Row, worst_case: bool) -> f64 {
        let correct = if worst_case { row.worst_case } else { row.clean };
        f64::from(correct) / self.record.draws.max(1) as f64
    }
}
