//! The ids of a batch's examples.

use std::ops::Range;
use std::sync::Arc;

/// The ids of a batch's examples: their numbers within the data set.
///
/// A draw for one example is a function of its id, so that neither the cut into batches nor the
/// other examples of a batch change it.
///
/// ```
/// use cni_noise::ExampleIds;
/// let batch = ExampleIds::from(100);
/// assert_eq!(batch.id(2), 102);
/// let rest = batch.select(&[0, 2, 3]);
/// assert_eq!([0, 1, 2].map(|row| rest.id(row)), [100, 102, 103]);
/// assert_eq!(rest.contiguous_ranges(3), [100..101, 102..104]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExampleIds {
    /// Consecutive ids: row `r` has the id `first + r`; after 2⁶⁴ − 1 comes 0.
    From(u64),
    /// The id of each row.
    Each(Arc<[u64]>),
}

impl ExampleIds {
    /// The id of a row.
    ///
    /// # Panics
    ///
    /// If the ids are given one by one, and the row has none.
    pub fn id(&self, row: usize) -> u64 {
        match self {
            Self::From(first) => first.wrapping_add(row as u64),
            Self::Each(numbers) => numbers[row],
        }
    }

    /// The ids of the given rows, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self::Each(rows.iter().map(|&row| self.id(row)).collect())
    }

    /// The ids of the first `rows` rows as ranges, each as long as the ids are consecutive.
    ///
    /// # Panics
    ///
    /// If the ids are given one by one and are fewer than the rows, or one is 2⁶⁴ − 1, which no
    /// range can hold.
    pub fn contiguous_ranges(&self, rows: usize) -> Vec<Range<u64>> {
        let end = |first: u64, rows: usize| {
            first.checked_add(rows as u64).expect("numbers of examples below 2^64 - 1")
        };
        self.parts(rows).into_iter().map(|(first, rows)| first..end(first, rows)).collect()
    }

    /// The first id of each range of consecutive ids of the first `rows` rows, and how many rows it
    /// has. A range goes on from 2⁶⁴ − 1 to 0.
    pub(crate) fn parts(&self, rows: usize) -> Vec<(u64, usize)> {
        let mut parts: Vec<(u64, usize)> = Vec::new();
        match self {
            Self::From(first) => parts.push((*first, rows)),
            Self::Each(_) => {
                for number in (0..rows).map(|row| self.id(row)) {
                    match parts.last_mut() {
                        Some((first, rows)) if first.wrapping_add(*rows as u64) == number => {
                            *rows += 1;
                        }
                        _ => parts.push((number, 1)),
                    }
                }
            }
        }
        parts
    }

    /// `draw` of the first index and the number of indices of each range of consecutive ids of the
    /// first `rows` rows, if each row has `values` indices, one after the other.
    pub(crate) fn gather<T>(
        &self,
        rows: usize,
        values: usize,
        draw: impl Fn(u64, usize) -> Vec<T>,
    ) -> Vec<T> {
        let of =
            |(first, rows): (u64, usize)| draw(first.wrapping_mul(values as u64), rows * values);
        let mut parts = self.parts(rows).into_iter().map(of);
        let mut all = parts.next().unwrap_or_default();
        parts.for_each(|more| all.extend(more));
        all
    }
}

impl Default for ExampleIds {
    fn default() -> Self {
        Self::From(0)
    }
}

impl From<u64> for ExampleIds {
    fn from(first: u64) -> Self {
        Self::From(first)
    }
}
