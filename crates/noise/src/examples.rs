//! The numbers of a batch's examples within their data set.

use std::ops::Range;
use std::sync::Arc;

/// Which examples of the data set the rows of a batch are.
///
/// What is drawn for each example by itself is a function of its number, so that neither the cut into batches nor the
/// company in one changes it.
///
/// ```
/// use cni_noise::Examples;
/// let batch = Examples::from(100);
/// assert_eq!(batch.number(2), 102);
/// let rest = batch.select(&[0, 2, 3]);
/// assert_eq!([0, 1, 2].map(|row| rest.number(row)), [100, 102, 103]);
/// assert_eq!(rest.runs(3), [100..101, 102..104]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examples {
    /// Neighbours: row `r` is example number `first + r`.
    From(u64),
    /// The number of each row.
    Each(Arc<[u64]>),
}

impl Examples {
    /// The number of a row.
    ///
    /// # Panics
    ///
    /// Where the numbers are given one by one, and the row has none.
    pub fn number(&self, row: usize) -> u64 {
        match self {
            Self::From(first) => first + row as u64,
            Self::Each(numbers) => numbers[row],
        }
    }

    /// Those of the given rows, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self::Each(rows.iter().map(|&row| self.number(row)).collect())
    }

    /// The numbers of the first `rows` rows as ranges, each as long as the numbers follow one another.
    pub fn runs(&self, rows: usize) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        match self {
            Self::From(first) => runs.push(*first..first + rows as u64),
            Self::Each(_) => {
                for number in (0..rows).map(|row| self.number(row)) {
                    match runs.last_mut() {
                        Some(run) if run.end == number => run.end += 1,
                        _ => runs.push(number..number + 1),
                    }
                }
            }
        }
        runs
    }

    /// `draw` of the indices that belong to each run of the first `rows` rows, when each row has `values` of them, one
    /// after the other.
    pub(crate) fn gather<T>(
        &self,
        rows: usize,
        values: u64,
        draw: impl Fn(Range<u64>) -> Vec<T>,
    ) -> Vec<T> {
        let mut runs =
            self.runs(rows).into_iter().map(|run| draw(run.start * values..run.end * values));
        let mut all = runs.next().unwrap_or_default();
        runs.for_each(|more| all.extend(more));
        all
    }
}

impl Default for Examples {
    fn default() -> Self {
        Self::From(0)
    }
}

impl From<u64> for Examples {
    fn from(first: u64) -> Self {
        Self::From(first)
    }
}
