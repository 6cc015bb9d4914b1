//! One part of several.

use crate::ShardError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A shard of an evaluation: part `index` of `count` parts, numbered from 1. Its text is `3/8`.
///
/// ```
/// use cni_evaluation::Shard;
/// let shard: Shard = "3/8".parse()?;
/// assert_eq!(shard, Shard::new(3, 8)?);
/// assert_eq!((shard.batches(20), shard.folder()), (5..7, "shard-3-of-8".to_string()));
/// # Ok::<(), cni_evaluation::ShardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    // Small, since errors hold shards.
    index: u32,
    count: u32,
}

impl Shard {
    /// The largest number of parts.
    pub const MOST: usize = 100_000;

    /// Part `index`, from 1, of `count`.
    ///
    /// # Errors
    ///
    /// [`ShardError::Index`] if `index` is zero or above `count`, or `count` is above
    /// [`MOST`](Self::MOST).
    pub fn new(index: usize, count: usize) -> Result<Self, ShardError> {
        match (1..=count).contains(&index) && count <= Self::MOST {
            // No number above the largest is left.
            true => Ok(Self { index: index as u32, count: count as u32 }),
            false => Err(ShardError::Index { index, count }),
        }
    }

    /// All parts of `count`, in order; none above [`MOST`](Self::MOST).
    pub fn all(count: usize) -> impl Iterator<Item = Self> {
        (1..=count).map_while(move |index| Self::new(index, count).ok())
    }

    /// The number of this part, from 1.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// The number of parts.
    pub fn count(self) -> usize {
        self.count as usize
    }

    /// The batches of this part, as a range of `all` batches, numbered from 0.
    ///
    /// The ranges of all parts follow each other and differ in length by at most one. If there are
    /// more parts than batches, the last parts are empty; else the first is as short as any, since
    /// it runs the audit too.
    pub fn batches(self, all: usize) -> Range<usize> {
        let (index, count) = (self.index(), self.count());
        match count > all {
            true => (index - 1).min(all)..index.min(all),
            false => (index - 1) * all / count..index * all / count,
        }
    }

    /// The usual name of the part's folder, such as `shard-3-of-8`.
    pub fn folder(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.index, self.count))
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let unreadable = || ShardError::Unreadable(text.to_string());
        let (index, count) = text.split_once('/').ok_or_else(unreadable)?;
        let number = |text: &str| text.parse().map_err(|_| unreadable());
        Self::new(number(index)?, number(count)?)
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_follow_each_other_and_differ_by_one_batch_at_most() {
        for all in [1, 2, 7, 8, 79] {
            for count in [1, 2, 3, 8, 11] {
                let parts: Vec<_> = Shard::all(count).map(|shard| shard.batches(all)).collect();
                assert_eq!((parts[0].start, parts[count - 1].end), (0, all));
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
                let lengths: Vec<_> = parts.iter().map(ExactSizeIterator::len).collect();
                let [least, most] =
                    [lengths.iter().min(), lengths.iter().max()].map(Option::unwrap);
                assert!(most - least <= 1 && !parts[0].is_empty(), "{parts:?}");
                assert!(count > all || lengths[0] == *least, "{parts:?}");
            }
        }
    }

    #[test]
    fn a_text_that_is_no_part_is_refused_with_what_was_wanted() {
        for (text, wanted) in [
            ("0/8", "shard: got 0/8, wanted 1/8 to 8/8"),
            ("9/8", "shard: got 9/8, wanted 1/8 to 8/8"),
            ("1/0", "shard: got 1/0, wanted 1 to 100000 parts"),
            ("1/100001", "shard: got 1/100001, wanted 1 to 100000 parts"),
            ("3", "shard: got \"3\", wanted i/n, such as 3/8, with i from 1 to n"),
            ("-1/8", "shard: got \"-1/8\", wanted i/n, such as 3/8, with i from 1 to n"),
            ("a/b", "shard: got \"a/b\", wanted i/n, such as 3/8, with i from 1 to n"),
        ] {
            assert_eq!(text.parse::<Shard>().unwrap_err().to_string(), wanted);
        }
        assert_eq!("3/8".parse::<Shard>().unwrap().to_string(), "3/8");
    }
}
