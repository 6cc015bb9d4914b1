use super::plan::{Place, Plan};
use super::{Batch, Loader};
use crate::DataError;
use crate::image_data::HostBatch;
use crate::prefetch::Prefetch;
use crate::samplers::check_plan;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use std::collections::VecDeque;

/// The batches of one epoch of a [`Loader`].
///
/// The first call of `next` starts a thread that has the batches read and augmented in their order,
/// on all cores, at most two ahead of the one asked for. An error, which names the file or the
/// example, is the last that comes.
pub struct Epoch {
    loader: Loader,
    plan: Plan,
    /// Those that are not yet yielded.
    places: VecDeque<Place>,
    reading: Option<Prefetch<Result<HostBatch, DataError>>>,
    yielded: usize,
    total: usize,
}

impl Epoch {
    pub(super) fn new(loader: Loader, plan: Plan, places: Vec<Place>) -> Self {
        let total = places.iter().map(|place| place.examples.len()).sum();
        Self { loader, plan, places: places.into(), reading: None, yielded: 0, total }
    }

    fn start(&self) -> Result<Prefetch<Result<HostBatch, DataError>>, DataError> {
        let Loader { data, sampler, augment, .. } = &self.loader;
        let Plan { epoch, order, batches } = self.plan.clone();
        let plan = batches.iter().map(|batch| &order[batch.clone()]);
        check_plan(&**sampler, plan, epoch, data.len())?;
        let key = self.loader.stream("augment", epoch);
        let (data, augment, places) = (data.clone(), augment.clone(), self.places.clone());
        let batches = places.into_iter().map(move |place| {
            let augment = augment.as_deref().map(|augment| (augment, key));
            data.read_batch(&order[place.examples], augment)
        });
        Prefetch::new(batches).map_err(|reason| DataError::Thread { reason })
    }

    fn batch(&mut self) -> Result<Option<Batch>, DataError> {
        if self.reading.is_none() {
            self.reading = Some(self.start()?);
        }
        let Some(host) = self.reading.as_mut().and_then(Iterator::next).transpose()? else {
            return Ok(None);
        };
        let Some(place) = self.places.pop_front() else { return Ok(None) };
        self.yielded += place.examples.len();
        let Loader { data, device, .. } = &self.loader;
        let (images, labels) = host.upload(data.image_shape(), device);
        Ok(Some(Batch {
            images,
            labels,
            key: self.loader.stream("batch", self.plan.epoch).child(place.batch as u64),
            epoch: self.plan.epoch,
            first_example: place.examples.start as u64,
            whole: place.whole,
        }))
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batch();
        if batch.is_err() {
            // The thread ends with nothing left to do, and so does the iterator.
            self.places.clear();
            self.reading = None;
        }
        batch.map_err(DatasetError::new).transpose()
    }
}

impl DataLoaderIterator<Batch> for Epoch {
    fn progress(&self) -> Progress {
        Progress::new(self.yielded, self.total, Some("items".into()))
    }
}
