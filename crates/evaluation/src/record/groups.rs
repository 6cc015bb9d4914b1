//! Accuracy of groups of examples: by class, and by how often the model is right.

use crate::statistics::shares::mean_share;
use crate::{Evaluated, Row, StatisticsError};
use std::collections::BTreeMap;

impl Evaluated {
    /// The accuracy of each class by its label, as `(accuracy, low, high)`: clean or in the worst
    /// case.
    ///
    /// The interval is Wilson's, over the examples of the class alone. Their variance gives an
    /// effective number of independent trials, between one and the number of draws for each
    /// example. The quantile is that of the normal law, so that the interval of a class with fewer
    /// than about thirty examples is narrower than its confidence says.
    ///
    /// # Errors
    ///
    /// If the record's confidence is not between 0 and 1, or a row has more correct draws than
    /// there are.
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

    /// The distribution of the probability of being right, over the draws of the noise: the share
    /// of the examples on which it is nearest to 0, `1 / steps`, and so on to 1. These are `steps +
    /// 1` shares.
    ///
    /// # Panics
    ///
    /// If `steps` is zero.
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

    /// The share of draws in which the model is right on an example, in [0, 1].
    fn share(&self, row: &Row, worst_case: bool) -> f64 {
        let correct = if worst_case { row.worst_case } else { row.clean };
        f64::from(correct) / self.record.draws.max(1) as f64
    }
}
