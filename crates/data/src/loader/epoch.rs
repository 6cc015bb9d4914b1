use super::plan::{Place, Plan};
use super::{Batch, Loader};
use crate::image_data::HostBatch;
use crate::prefetch::ReadAhead;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use std::collections::VecDeque;
use std::sync::Arc;

/// The batches of one epoch of a [`Loader`].
///
/// The first call of `next` starts a thread that has the batches read and augmented in their order,
/// on all cores, at most two ahead of the one asked for. An error, which names the file or the
/// example, is the last that comes.
pub struct Epoch {
    loader: Loader,
    epoch: usize,
    /// The examples in the order of the epoch.
    order: Arc<[usize]>,
    /// Those that are not yet yielded.
    places: VecDeque<Place>,
    batches: ReadAhead<HostBatch>,
    yielded: usize,
    total: usize,
}

impl Epoch {
    pub(super) fn new(loader: Loader, plan: Plan, places: Vec<Place>) -> Self {
        let (epoch, order) = (plan.epoch, plan.order.clone());
        let total = places.iter().map(|place| place.examples.len()).sum();
        let batches = read_ahead(&loader, plan, places.clone());
        Self { loader, epoch, order, places: places.into(), batches, yielded: 0, total }
    }
}

/// The parts of the plan's batches at these places, once the plan is checked.
fn read_ahead(loader: &Loader, plan: Plan, places: Vec<Place>) -> ReadAhead<HostBatch> {
    let loader = loader.clone();
    let key = loader.stream("augment", plan.epoch);
    ReadAhead::new(move || {
        plan.check(&loader)?;
        Ok(places.into_iter().map(move |place| {
            let Loader { data, augmentations, .. } = &loader;
            data.read_batch(&plan.order[place.examples], Some((augmentations, key)))
        }))
    })
}

impl Iterator for Epoch {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.batches.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(DatasetError::new(error))),
        };
        let place = self.places.pop_front()?;
        self.yielded += place.examples.len();
        let Loader { data, device, .. } = &self.loader;
        let (images, labels) = batch.upload(data.image_shape(), device);
        Some(Ok(Batch {
            images,
            labels,
            key: self.loader.stream("batch", self.epoch).child(place.key as u64),
            epoch: self.epoch,
            number: place.number,
            batches: place.batches,
            indices: self.order[place.examples.clone()].into(),
            first_example: place.examples.start as u64,
            whole: place.whole,
        }))
    }
}

impl DataLoaderIterator<Batch> for Epoch {
    fn progress(&self) -> Progress {
        Progress::new(self.yielded, self.total, Some("items".into()))
    }
}
