use super::ImageData;
use crate::DataError;
use cni_noise::{Key, permutation};
use std::ops::Range;
use std::sync::Arc;

impl ImageData {
    /// The examples at the positions in `range`.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the set or ends before it begins.
    pub fn subset(&self, range: Range<usize>) -> Self {
        let (len, name) = (self.len(), self.name());
        assert!(
            range.start <= range.end && range.end <= len,
            "subset: range: got {range:?}, wanted a part of 0..{len}, the examples of {name}"
        );
        self.part(&self.view[range])
    }

    /// The first `count` examples, or all of them if there are fewer.
    pub fn take(&self, count: usize) -> Self {
        self.subset(0..count.min(self.len()))
    }

    /// The examples at the positions for which `keep` is true, in their order.
    pub fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let kept = (0..self.len()).filter(|&i| keep(i)).map(|i| self.view[i]);
        self.part(&kept.collect::<Vec<_>>())
    }

    /// `count` examples at equal distances in the set, or all of them if there are fewer: of a set
    /// that is sorted by class, as many of each class as their shares say, up to rounding.
    pub fn spread(&self, count: usize) -> Self {
        let (len, count) = (self.len(), count.min(self.len()));
        let view: Vec<usize> = (0..count).map(|i| self.view[i * len / count]).collect();
        self.part(&view)
    }

    /// The set cut in two at random: all but `count` examples to train on, and `count` to validate
    /// with.
    ///
    /// A function of the key and the size of the set alone. Both parts keep the order of the set.
    ///
    /// # Errors
    ///
    /// A `count` above the size of the set.
    pub fn split_validation(&self, count: usize, key: Key) -> Result<(Self, Self), DataError> {
        let len = self.len();
        if count > len {
            let (field, name) = ("split_validation: count", self.name().into());
            return Err(DataError::Count { field, got: count, len, name });
        }
        let mut order = permutation(key, len);
        let (validation, training) = order.split_at_mut(count);
        let sorted = |part: &mut [usize]| {
            part.sort_unstable();
            self.part(&part.iter().map(|&i| self.view[i]).collect::<Vec<_>>())
        };
        Ok((sorted(training), sorted(validation)))
    }

    fn part(&self, view: &[usize]) -> Self {
        Self { view: view.into(), fingerprint: Arc::default(), ..self.clone() }
    }
}
