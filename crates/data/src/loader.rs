use crate::{Augment, DataError, ImageData, upload};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor};
use cni_noise::{Key, permutation};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Labelled images, and the key of everything random that is done with them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Images `[batch, channels, height, width]` in [0, 1].
    pub images: Tensor<4>,
    /// Labels `[batch]`, positions in the list of classes.
    pub labels: Tensor<1, Int>,
    /// The key of this batch in this epoch.
    pub key: Key,
    /// The epoch, from 0. Always 0 where batches do not differ between epochs.
    pub epoch: usize,
    /// The position of the first example in the order of the epoch.
    pub first_example: u64,
    /// Examples of the whole batch, of which this may be one device's share.
    pub whole: usize,
}

impl Batch {
    /// How much of the whole batch this is, in (0, 1].
    pub fn share(&self) -> f64 {
        self.images.dims()[0] as f64 / self.whole as f64
    }
}

/// Batches of an image set, for Burn's trainer or a loop of one's own.
///
/// Every call of `iter` consumes an epoch, also one that is dropped after its first batch: the next
/// call yields the epoch after it. [`epoch`](Self::epoch) looks at one and leaves the count alone.
///
/// What an epoch yields is a function of the data, the batch size, the key and the number of the
/// epoch, so a run that was broken off goes on as if it had not been: see
/// [`resume_at`](Self::resume_at).
///
/// - order of epoch `e`: the permutation of `key.named("order").child(e)`;
/// - augmentation: the key `key.named("augment").child(e)`;
/// - key of a batch: `key.named("batch").child(e).child(position of its first example)`.
///
/// The last batch is smaller where the batch size does not divide the number of examples.
#[derive(Debug)]
pub struct Loader {
    data: ImageData,
    batch_size: usize,
    key: Key,
    device: Device,
    /// How training batches are augmented; validation batches are neither augmented nor shuffled.
    training: Option<Augment>,
    /// The part of each epoch's order that is yielded.
    positions: Range<usize>,
    /// Which share of each batch is yielded, and of how many.
    share: (usize, usize),
    next_epoch: AtomicUsize,
}

impl Loader {
    /// Shuffled and augmented batches, new ones in every epoch, on `device`.
    ///
    /// # Errors
    ///
    /// A batch size of zero, or a padding before crops that is not smaller than the images.
    pub fn training(
        data: ImageData,
        batch_size: usize,
        augment: Augment,
        key: Key,
        device: &Device,
    ) -> Result<Self, DataError> {
        augment.check(data.image_shape())?;
        Self::new(data, batch_size, Some(augment), key, device)
    }

    /// Batches in the order of the set, with the same keys in every epoch, on `device`.
    ///
    /// # Errors
    ///
    /// A batch size of zero.
    pub fn validation(
        data: ImageData,
        batch_size: usize,
        key: Key,
        device: &Device,
    ) -> Result<Self, DataError> {
        Self::new(data, batch_size, None, key, device)
    }

    fn new(
        data: ImageData,
        batch_size: usize,
        training: Option<Augment>,
        key: Key,
        device: &Device,
    ) -> Result<Self, DataError> {
        if batch_size == 0 {
            return Err(DataError::BatchSize);
        }
        let (positions, device) = (0..data.len(), device.clone());
        let (share, next_epoch) = ((0, 1), AtomicUsize::new(0));
        Ok(Self { data, batch_size, key, device, training, positions, share, next_epoch })
    }

    /// Begins with this epoch, as if `epoch` of them had been yielded before.
    pub fn resume_at(mut self, epoch: usize) -> Self {
        self.next_epoch = AtomicUsize::new(epoch);
        self
    }

    /// Share number `index` of every batch, cut into `of` parts that differ by at most one example.
    ///
    /// A share has the key of the whole batch and knows the position of its first example, so that
    /// what is drawn for a batch or for an example is the same whichever share it comes in. A last
    /// batch of fewer examples than there are shares leaves some of them out.
    ///
    /// # Panics
    ///
    /// Where `of` is not in `1..=batch_size` or `index` not in `0..of`.
    pub fn share(mut self, index: usize, of: usize) -> Self {
        assert!(
            index < of && of <= self.batch_size,
            "share {index} of {of}: wanted an index below a number of shares from 1 to {}",
            self.batch_size
        );
        self.share = (index, of);
        self
    }

    /// Moves to another device.
    pub fn on(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// The batches of an epoch: those that `iter` would yield at its turn. None is consumed.
    pub fn epoch(&self, epoch: usize) -> Epoch<'_> {
        let epoch = if self.training.is_some() { epoch } else { 0 };
        let order = match self.training {
            Some(_) => permutation(self.stream("order", epoch), self.data.len()),
            None => (0..self.data.len()).collect(),
        };
        Epoch { loader: self, epoch, order, next: self.positions.start, yielded: 0 }
    }

    fn stream(&self, name: &str, epoch: usize) -> Key {
        self.key.named(name).child(epoch as u64)
    }

    /// The positions of this loader's share within a batch of `n` examples.
    fn within(&self, n: usize) -> Range<usize> {
        let (index, of) = self.share;
        n * index / of..n * (index + 1) / of
    }
}

impl Clone for Loader {
    /// A loader that is as far as this one.
    fn clone(&self) -> Self {
        Self {
            data: self.data.clone(),
            device: self.device.clone(),
            positions: self.positions.clone(),
            next_epoch: AtomicUsize::new(self.next_epoch.load(Ordering::Relaxed)),
            ..*self
        }
    }
}

impl DataLoader<Batch> for Loader {
    /// The batches of the next epoch, which is consumed whether or not it is iterated to its end.
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        Box::new(self.epoch(self.next_epoch.fetch_add(1, Ordering::Relaxed)))
    }

    fn num_items(&self) -> usize {
        let (all, batch) = (self.positions.len(), self.batch_size);
        let whole = all / batch * self.within(batch.min(all)).len();
        whole + self.within(all % batch).len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(self.clone().on(device))
    }

    /// The examples `start..end` of every epoch's order, as far as there are such.
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let position = |offset| self.positions.end.min(self.positions.start.saturating_add(offset));
        let positions = position(start)..position(end.max(start));
        Arc::new(Self { positions, ..self.clone() })
    }
}

/// The batches of one epoch of a [`Loader`].
pub struct Epoch<'a> {
    loader: &'a Loader,
    epoch: usize,
    order: Vec<usize>,
    next: usize,
    yielded: usize,
}

impl Iterator for Epoch<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Loader { data, device, positions, .. } = self.loader;
        let batch = self.next;
        self.next = positions.end.min(batch.saturating_add(self.loader.batch_size));
        let whole = self.next - batch;
        let share = self.loader.within(whole);
        let first = batch + share.start;
        let indices = &self.order[first..batch + share.end];
        if indices.is_empty() {
            return None;
        }
        self.yielded += indices.len();
        let mut pixels = data.gather(indices);
        if let Some(augment) = self.loader.training {
            let key = self.loader.stream("augment", self.epoch);
            augment.apply(key, indices, data.image_shape(), &mut pixels);
        }
        Some(Ok(Batch {
            images: upload(&pixels, data.image_shape(), device),
            labels: data.labels(indices, device),
            key: self.loader.stream("batch", self.epoch).child(batch as u64),
            epoch: self.epoch,
            first_example: first as u64,
            whole,
        }))
    }
}

impl DataLoaderIterator<Batch> for Epoch<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.yielded, self.loader.num_items(), Some("items".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::toy;

    fn training(n: usize, batch_size: usize) -> Loader {
        let augment = Augment { crop_padding: 1, flip: true };
        Loader::training(toy(n), batch_size, augment, Key::new(1), &Device::flex()).unwrap()
    }

    fn validation(n: usize, batch_size: usize) -> Loader {
        Loader::validation(toy(n), batch_size, Key::new(1), &Device::flex()).unwrap()
    }

    /// All that a batch holds, in a form that can be compared.
    type Seen = (Vec<f32>, Vec<i32>, Key, usize, u64);

    fn seen(loader: &dyn DataLoader<Batch>) -> Vec<Seen> {
        let see = |b: Batch| {
            let images = b.images.try_to_vec_as().unwrap();
            (images, b.labels.try_to_vec_as().unwrap(), b.key, b.epoch, b.first_example)
        };
        loader.iter().map(|batch| see(batch.unwrap())).collect()
    }

    /// The bytes of each image, in the order of the batches.
    fn images(batches: &[Seen]) -> Vec<Vec<u8>> {
        let bytes = |v: &[f32]| v.iter().map(|v| (v * 255.0).round() as u8).collect::<Vec<_>>();
        batches.iter().flat_map(|batch| batch.0.chunks(12).map(bytes)).collect()
    }

    #[test]
    fn an_epoch_holds_every_example_once_in_its_own_order() {
        let plain = Augment::default();
        let loader = Loader::training(toy(20), 6, plain, Key::new(1), &Device::flex()).unwrap();
        let (first, second) = (images(&seen(&loader)), images(&seen(&loader)));
        assert_ne!(first, second);
        let sorted = |mut images: Vec<Vec<u8>>| {
            images.sort();
            images
        };
        let data = toy(20);
        let all = sorted((0..20).map(|i| data.pixels(i).to_vec()).collect());
        assert_eq!(sorted(first), all);
        assert_eq!(sorted(second), all);
    }

    #[test]
    fn images_come_with_their_labels() {
        let plain = Augment::default();
        let loader = Loader::training(toy(20), 6, plain, Key::new(1), &Device::flex()).unwrap();
        let data = toy(20);
        for batch in seen(&loader) {
            for (image, &label) in images(std::slice::from_ref(&batch)).iter().zip(&batch.1) {
                assert!(
                    (0..20).any(|i| data.pixels(i) == image && data.label(i) == label as usize)
                );
            }
        }
    }

    #[test]
    fn a_resumed_loader_goes_on_with_the_same_batches() {
        let whole = training(20, 6);
        let epochs: Vec<_> = (0..4).map(|_| seen(&whole)).collect();
        let resumed = training(20, 6).resume_at(2);
        assert_eq!([seen(&resumed), seen(&resumed)], epochs[2..]);
        // Burn's trainer moves the loader before the first epoch.
        let moved = training(20, 6).resume_at(2).to_device(&Device::flex());
        assert_eq!(seen(&*moved), epochs[2]);
    }

    #[test]
    fn a_look_at_the_first_batch_consumes_an_epoch_and_epoch_does_not() {
        let first = |batches: &mut dyn Iterator<Item = Result<Batch, DatasetError>>| {
            batches.next().unwrap().unwrap().epoch
        };
        let loader = training(20, 6);
        assert_eq!(first(&mut loader.epoch(7)), 7);
        assert_eq!([first(&mut loader.iter()), first(&mut loader.iter())], [0, 1]);
    }

    #[test]
    fn every_batch_of_a_run_has_its_own_key() {
        let loader = training(20, 6);
        let mut keys: Vec<_> =
            (0..5).flat_map(|_| seen(&loader)).map(|b| b.2.to_string()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 5 * 4);
    }

    #[test]
    fn slices_are_parts_of_the_same_epochs() {
        let whole = training(20, 4).resume_at(3);
        let parts = [whole.slice(0, 12), whole.slice(12, 99)];
        let epoch = seen(&whole);
        assert_eq!([seen(&*parts[0]), seen(&*parts[1])].concat(), epoch);
        assert_eq!(parts.each_ref().map(|part| part.num_items()), [12, 8]);
        // A slice of a slice counts from its start, and other batch boundaries keep the images.
        let inner = whole.slice(4, 20).slice(2, 9);
        assert_eq!(inner.num_items(), 7);
        assert_eq!(
            images(&seen(&*inner)),
            images(&seen(&*training(20, 4).resume_at(4).slice(6, 13)))
        );
    }

    #[test]
    fn validation_is_in_order_unchanged_and_the_same_in_every_epoch() {
        let loader = validation(7, 3);
        let epoch = seen(&loader);
        let data = toy(7);
        let all: Vec<_> = (0..7).map(|i| data.pixels(i).to_vec()).collect();
        assert_eq!(images(&epoch), all);
        assert_eq!(epoch, seen(&loader));
        let firsts: Vec<_> = epoch.iter().map(|batch| (batch.3, batch.4)).collect();
        assert_eq!(firsts, [(0, 0), (0, 3), (0, 6)]);
    }

    #[test]
    fn progress_counts_what_has_been_yielded() {
        for (loader, wanted) in [
            (training(7, 3).to_device(&Device::flex()), vec![3, 6, 7]),
            (training(7, 3).slice(2, 6), vec![3, 4]),
        ] {
            let mut batches = loader.iter();
            let mut counts = Vec::new();
            while batches.next().is_some() {
                assert_eq!(batches.progress().items_total, loader.num_items());
                counts.push(batches.progress().items_processed);
            }
            assert_eq!(counts, wanted);
            assert!(batches.next().is_none() && batches.progress().is_completed());
        }
    }

    #[test]
    fn batches_are_on_the_device_asked_for() {
        let device = Device::flex().autodiff();
        let batch = training(3, 2).to_device(&device).iter().next().unwrap().unwrap();
        assert_eq!(batch.images.device(), device);
    }

    #[test]
    fn an_empty_part_has_no_batches() {
        let loader = Loader::validation(toy(3).take(0), 2, Key::new(1), &Device::flex()).unwrap();
        assert_eq!((loader.num_items(), seen(&loader).len()), (0, 0));
    }

    #[test]
    fn a_batch_larger_than_the_data_is_the_data_however_large_it_is() {
        for loader in [training, validation] {
            let (whole, large) = (loader(7, 7), loader(7, usize::MAX));
            assert_eq!(seen(&large), seen(&whole));
            assert_eq!((large.num_items(), large.slice(2, usize::MAX).num_items()), (7, 5));
            assert_eq!(seen(&large.share(1, 3)), seen(&whole.share(1, 3)));
        }
    }

    #[test]
    fn a_batch_size_of_zero_is_refused() {
        let error = Loader::validation(toy(3), 0, Key::new(1), &Device::flex()).unwrap_err();
        assert_eq!(error.to_string(), "batch_size: got 0, wanted at least 1");
    }
}
