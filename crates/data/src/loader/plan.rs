use crate::{DataError, Loader};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The plan of a sampler for one epoch.
#[derive(Clone)]
pub(super) struct Plan {
    pub epoch: usize,
    /// The examples of the epoch, batch after batch.
    pub order: Arc<[usize]>,
    /// The positions of each batch in `order`.
    pub batches: Arc<[Range<usize>]>,
    /// True if the sizes of batches are random, so that no key may depend on them.
    sizes_are_random: bool,
}

/// The part of a batch that a loader yields.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The number of batches of the epoch before it, and of all.
    pub number: usize,
    pub batches: usize,
    /// The number that the key of the whole batch is by: its position in the order of the epoch, or
    /// its number if sizes are random.
    pub key: usize,
    /// Examples of the whole batch.
    pub whole: usize,
    /// The positions of this part in the order.
    pub examples: Range<usize>,
}

impl Plan {
    /// The plan of the loader's sampler, as it is.
    pub fn new(loader: &Loader, epoch: usize) -> Self {
        let Loader { data, sampler, key, batch_size, .. } = loader;
        let plan = sampler.plan(*key, epoch, data.len(), *batch_size);
        let batches = plan.iter().scan(0, |end, batch| {
            let start = *end;
            *end += batch.len();
            Some(start..*end)
        });
        let sizes_are_random = sampler.sizes_are_random();
        Self { epoch, batches: batches.collect(), order: plan.concat().into(), sizes_are_random }
    }

    /// Refuses a plan that breaks the contract of the loader's sampler.
    pub fn check(&self, loader: &Loader) -> Result<(), DataError> {
        let batches = self.batches.iter().map(|batch| &self.order[batch.clone()]);
        let (examples, wanted) = (loader.data.len(), loader.batches_per_epoch());
        loader.sampler.check_plan(batches, self.epoch, examples, wanted)?;
        self.check_shares(loader)
    }

    /// Refuses a batch that has no example for one of the shares, unless it is the last: the steps
    /// of a device without a share would be those of other batches than on the other devices.
    fn check_shares(&self, loader: &Loader) -> Result<(), DataError> {
        let (_, shares) = loader.share;
        let others = self.batches.split_last().map_or(&[][..], |(_, others)| others);
        match others.iter().position(|batch| (1..shares).contains(&batch.len())) {
            None => Ok(()),
            Some(batch) => {
                let (of, epoch) = (loader.sampler.label(), self.epoch);
                let field = format!("{of}: batch {batch} of epoch {epoch}");
                let got = format!("{} examples for {shares} devices", others[batch].len());
                let wanted = "at least one for each device in every batch but the last";
                Err(DataError::setting(field, got, wanted))
            }
        }
    }

    /// The places of share `index` of `of` in every batch of the part `slice` of the order.
    ///
    /// A part that is not the whole is cut anew, into batches of `batch_size`.
    pub fn places(
        &self,
        slice: &Range<usize>,
        batch_size: usize,
        (index, of): (usize, usize),
    ) -> Vec<Place> {
        let len = self.order.len();
        let whole = slice.start == 0 && slice.end >= len;
        let by_number = whole && self.sizes_are_random;
        let batches = match whole {
            true => self.batches.to_vec(),
            false => {
                let end = slice.end.min(len);
                let starts = (slice.start..end).step_by(batch_size);
                starts.map(|start| start..end.min(start.saturating_add(batch_size))).collect()
            }
        };
        let count = batches.len();
        let share = |(number, batch): (usize, Range<usize>)| {
            let (start, whole) = (batch.start, batch.len());
            let examples = start + whole * index / of..start + whole * (index + 1) / of;
            let key = if by_number { number } else { start };
            Place { number, batches: count, key, whole, examples }
        };
        batches
            .into_iter()
            .enumerate()
            .map(share)
            // A device without a share of a batch has nothing to do; an empty batch is a step.
            .filter(|place| !place.examples.is_empty() || place.whole == 0)
            .collect()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("epoch", &self.epoch)
            .field("examples", &self.order.len())
            .field("batches", &self.batches.len())
            .finish()
    }
}
