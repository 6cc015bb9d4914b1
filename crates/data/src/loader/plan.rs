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
}

/// The part of a batch that a loader yields.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The number of batches of the epoch before it, and of all.
    pub number: usize,
    pub batches: usize,
    /// The position of the whole batch in the order of the epoch.
    pub batch: usize,
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
        Self { epoch, batches: batches.collect(), order: plan.concat().into() }
    }

    /// Refuses a plan that breaks the contract of the loader's sampler.
    pub fn check(&self, loader: &Loader) -> Result<(), DataError> {
        let batches = self.batches.iter().map(|batch| &self.order[batch.clone()]);
        let (examples, wanted) = (loader.data.len(), loader.batches_per_epoch());
        loader.sampler.check_plan(batches, self.epoch, examples, wanted)
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
        let batches = match slice.start == 0 && slice.end >= len {
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
            Place { number, batches: count, batch: start, whole, examples }
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
