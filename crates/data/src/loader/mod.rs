//! Batches for training and validation.

mod batch;
mod epoch;
mod plan;
mod shares;

pub use batch::Batch;
pub use epoch::Epoch;
pub use shares::Shares;

use crate::{Augmentation, DataError, ImageData, Sampler};
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;
use cni_noise::Key;
use plan::{Place, Plan};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Batches of an image set, for Burn's trainer or a custom loop.
///
/// Every call of `iter` consumes an epoch, also one that is dropped after its first batch: the next
/// call yields the epoch after it. [`epoch`](Self::epoch) looks at one and leaves the count alone.
///
/// The batches of an epoch are a function of the data, the sampler, the key and the number of the
/// epoch, so a run that was interrupted continues as if it had not been: see
/// [`resume_at`](Self::resume_at). Images are read and augmented ahead of the step, with the same
/// result.
///
/// - batches of epoch `e`: the plan of the [`Sampler`] for the key and `e`;
/// - augmentations: the key `key.named("augment").child(e)`;
/// - key of a batch: `key.named("batch").child(e).child(position of its first example)`, or
///   `child(number of the batch)` if [sizes are random](crate::SamplerRule::sizes_are_random).
#[derive(Debug)]
pub struct Loader {
    data: ImageData,
    batch_size: usize,
    sampler: Sampler,
    augmentations: Vec<Augmentation>,
    key: Key,
    device: Device,
    /// Every epoch is that of number 0.
    fixed: bool,
    /// The part of each epoch's order that is yielded; its end may be beyond the order's.
    slice: Range<usize>,
    /// The share of each batch that is yielded: its index and the number of shares.
    share: (usize, usize),
    next_epoch: AtomicUsize,
    /// The plan asked for last, which clones share: it may take as long as a batch to make.
    plan: Arc<Mutex<Option<Plan>>>,
}

impl Loader {
    /// Batches of every example once an epoch, in a new random order each time, on `device`.
    ///
    /// # Errors
    ///
    /// A batch size of zero.
    pub fn new(
        data: ImageData,
        batch_size: usize,
        key: Key,
        device: &Device,
    ) -> Result<Self, DataError> {
        if batch_size == 0 {
            return Err(DataError::BatchSize);
        }
        Ok(Self {
            data,
            batch_size,
            sampler: Sampler::default(),
            augmentations: Vec::new(),
            key,
            device: device.clone(),
            fixed: false,
            slice: 0..usize::MAX,
            share: (0, 1),
            next_epoch: AtomicUsize::new(0),
            plan: Arc::default(),
        })
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
        let loader = Self::new(data, batch_size, key, device)?;
        Ok(Self { fixed: true, sampler: Sampler::sequential(), ..loader })
    }

    /// Chooses the examples of each batch by another sampler.
    ///
    /// # Errors
    ///
    /// Data or a batch size that the sampler refuses.
    pub fn with_sampler(self, sampler: impl Into<Sampler>) -> Result<Self, DataError> {
        let sampler = sampler.into();
        sampler.check(self.data.len(), self.batch_size)?;
        Ok(Self { sampler, plan: Arc::default(), ..self })
    }

    /// Augments every image, after the augmentations that it has.
    ///
    /// # Errors
    ///
    /// Images that the augmentation refuses, such as ones that are not larger than the padding
    /// before crops.
    pub fn with_augmentation(
        mut self,
        augmentation: impl Into<Augmentation>,
    ) -> Result<Self, DataError> {
        let augmentation = augmentation.into();
        augmentation.check(self.data.image_shape())?;
        self.augmentations.push(augmentation);
        Ok(self)
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
    /// batch of fewer examples than there are shares leaves some of them out; another one that has
    /// some, and fewer than there are shares, is an error.
    ///
    /// # Panics
    ///
    /// If `of` is not in `1..=batch_size` or `index` not in `0..of`.
    pub fn share(mut self, index: usize, of: usize) -> Self {
        let batch_size = self.batch_size;
        assert!(
            index < of && of <= batch_size,
            "share {index} of {of}: wanted an index below a number of shares from 1 to {batch_size}"
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
    pub fn epoch(&self, epoch: usize) -> Epoch {
        let (plan, places) = self.places(epoch);
        Epoch::new(self.clone(), plan, places)
    }

    /// The number of batches of every epoch, of the whole set.
    pub fn batches_per_epoch(&self) -> usize {
        self.sampler.batches(self.data.len(), self.batch_size)
    }

    /// The number of examples in each batch of an epoch, of the whole set.
    ///
    /// # Errors
    ///
    /// A plan that breaks the contract of [`SamplerRule::plan`](crate::SamplerRule::plan).
    pub fn batch_sizes(&self, epoch: usize) -> Result<Vec<usize>, DataError> {
        let (plan, _) = self.places(epoch);
        plan.check(self)?;
        Ok(plan.batches.iter().map(Range::len).collect())
    }

    /// The choice of the examples of each batch.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    fn places(&self, epoch: usize) -> (Plan, Vec<Place>) {
        let epoch = if self.fixed { 0 } else { epoch };
        let mut last = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = match last.take().filter(|plan| plan.epoch == epoch) {
            Some(plan) => plan,
            None => Plan::new(self, epoch),
        };
        *last = Some(plan.clone());
        let places = plan.places(&self.slice, self.batch_size, self.share);
        (plan, places)
    }

    fn stream(&self, name: &str, epoch: usize) -> Key {
        self.key.named(name).child(epoch as u64)
    }
}

impl Clone for Loader {
    /// A loader that is as far as this one.
    fn clone(&self) -> Self {
        Self {
            data: self.data.clone(),
            sampler: self.sampler.clone(),
            augmentations: self.augmentations.clone(),
            device: self.device.clone(),
            slice: self.slice.clone(),
            next_epoch: AtomicUsize::new(self.next_epoch.load(Ordering::Relaxed)),
            plan: self.plan.clone(),
            ..*self
        }
    }
}

impl DataLoader<Batch> for Loader {
    /// The batches of the next epoch, which is consumed whether or not it is iterated to its end.
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        Box::new(self.epoch(self.next_epoch.fetch_add(1, Ordering::Relaxed)))
    }

    /// The examples that the next epoch yields.
    fn num_items(&self) -> usize {
        let (_, places) = self.places(self.next_epoch.load(Ordering::Relaxed));
        places.iter().map(|place| place.examples.len()).sum()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(self.clone().on(device))
    }

    /// The examples `start..end` of every epoch's order, as far as there are such, cut anew into
    /// batches.
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let position = |offset| self.slice.end.min(self.slice.start.saturating_add(offset));
        let slice = position(start)..position(end.max(start));
        Arc::new(Self { slice, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_data::toy::{bytes, toy};
    use crate::prefetch::AHEAD;
    use crate::{CropFlip, ImageSource, SamplerRule};
    use burn::data::dataset::DatasetError;
    use serde_json::{Value, json};

    fn plain(n: usize, batch_size: usize) -> Loader {
        Loader::new(toy(n), batch_size, Key::new(1), &Device::flex()).unwrap()
    }

    fn training(n: usize, batch_size: usize) -> Loader {
        plain(n, batch_size).with_augmentation(CropFlip { padding: 1 }).unwrap()
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
        let loader = plain(20, 6);
        let (first, second) = (images(&seen(&loader)), images(&seen(&loader)));
        assert_ne!(first, second);
        let sorted = |mut images: Vec<Vec<u8>>| {
            images.sort();
            images
        };
        let data = toy(20);
        let all = sorted((0..20).map(|i| bytes(&data, i)).collect());
        assert_eq!(sorted(first), all);
        assert_eq!(sorted(second), all);
    }

    #[test]
    fn images_come_with_their_labels() {
        let loader = plain(20, 6);
        let data = toy(20);
        for batch in seen(&loader) {
            for (image, &label) in images(std::slice::from_ref(&batch)).iter().zip(&batch.1) {
                assert!(
                    (0..20)
                        .any(|i| &bytes(&data, i) == image
                            && data.label(i).unwrap() == label as usize)
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
        let all: Vec<_> = (0..7).map(|i| bytes(&data, i)).collect();
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

    /// A sampler with these batches in every epoch.
    struct Fixed(Vec<Vec<usize>>);

    impl SamplerRule for Fixed {
        fn spec(&self) -> Value {
            json!({ "sampler": "fixed", "batches": self.0 })
        }

        fn plan(&self, _: Key, _epoch: usize, _examples: usize, _size: usize) -> Vec<Vec<usize>> {
            self.0.clone()
        }
    }

    #[test]
    fn a_sampler_of_ones_own_decides_what_makes_a_batch() {
        let plan = vec![vec![4, 4, 0, 1], vec![2], vec![6, 5]];
        let loader = plain(7, 3).with_sampler(Fixed(plan)).unwrap();
        let batches = seen(&loader);
        let wanted = [4, 4, 0, 1, 2, 6, 5].map(|i| bytes(&toy(7), i));
        assert_eq!(images(&batches), wanted);
        assert_eq!(batches.iter().map(|b| b.4).collect::<Vec<_>>(), [0, 4, 5]);
        assert_eq!((loader.num_items(), loader.batches_per_epoch()), (7, 3));
        assert_eq!(loader.batch_sizes(9).unwrap(), [4, 1, 2]);
        let places = |loader: &Loader| -> Vec<(usize, usize, Vec<usize>)> {
            let batches = loader.iter().map(|batch| batch.unwrap());
            batches.map(|b| (b.number, b.batches, b.indices.to_vec())).collect()
        };
        let all = [(0, 3, vec![4, 4, 0, 1]), (1, 3, vec![2]), (2, 3, vec![6, 5])];
        assert_eq!(places(&loader), all);
        let batch = loader.epoch(2).nth(1).unwrap().unwrap();
        assert!((batch.progress() - 7.0 / 3.0).abs() < 1e-12);
        // A share of a batch is that of its number.
        let plan = vec![vec![4, 4, 0, 1], vec![3, 2], vec![6]];
        let loader = plain(7, 3).with_sampler(Fixed(plan)).unwrap();
        let second = [(0, 3, vec![0, 1]), (1, 3, vec![2]), (2, 3, vec![6])];
        assert_eq!(places(&loader.clone().share(1, 2)), second);
        let share = seen(&loader.clone().share(1, 2));
        assert_eq!(images(&share), [0, 1, 2, 6].map(|i| bytes(&toy(7), i)));
        assert_eq!(places(&loader.share(0, 2)).len(), 2);
    }

    #[test]
    fn a_batch_in_the_midst_without_an_example_for_each_share_is_refused() {
        let plan = vec![vec![4, 4, 0, 1], vec![2], vec![6, 5]];
        let loader = plain(7, 3).with_sampler(Fixed(plan)).unwrap();
        for share in [0, 1] {
            let items: Vec<_> = loader.clone().share(share, 2).epoch(4).collect();
            assert_eq!(items.len(), 1);
            let error = items[0].as_ref().unwrap_err().to_string();
            let says = "sampler fixed: batch 1 of epoch 4: got 1 examples for 2 devices, wanted at";
            assert!(error.starts_with(says), "{error}");
        }
        assert_eq!(loader.epoch(4).count(), 3);
    }

    #[test]
    fn a_sampler_that_breaks_its_contract_is_named_by_the_only_item() {
        for (plan, says) in [
            (
                vec![vec![0], vec![7, 1], vec![2]],
                "example in batch 1 of epoch 4: got 7, wanted 0..7",
            ),
            (
                vec![vec![0], vec![1], vec![]],
                "batch 2 of epoch 4: got no examples, wanted at least",
            ),
            (vec![vec![0], vec![1]], "batches of epoch 4: got 2, wanted 3"),
            (vec![], "batches of epoch 4: got 0, wanted 3"),
        ] {
            let loader = plain(7, 3).with_sampler(Fixed(plan)).unwrap();
            let loader = loader.resume_at(4);
            let refused = loader.batch_sizes(4).unwrap_err().to_string();
            let items: Vec<_> = loader.iter().collect();
            assert_eq!(items.len(), 1);
            let error = items[0].as_ref().unwrap_err().to_string();
            assert!(error.starts_with("sampler fixed: ") && error.contains(says), "{error}");
            assert_eq!(error, refused);
        }
    }

    /// Images of one pixel that count how often one is read.
    struct Counting(Arc<AtomicUsize>, Vec<String>);

    impl ImageSource for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn len(&self) -> usize {
            60
        }

        fn image_shape(&self) -> [usize; 3] {
            [1, 1, 1]
        }

        fn classes(&self) -> &[String] {
            &self.1
        }

        fn read(&self, _index: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            pixels.fill(0.5);
            Ok(0)
        }
    }

    #[test]
    fn at_most_two_batches_of_images_are_read_ahead() {
        let count = Arc::new(AtomicUsize::new(0));
        let data = ImageData::from_source(Counting(count.clone(), vec!["a".into()])).unwrap();
        let loader = Loader::new(data, 4, Key::new(1), &Device::flex()).unwrap();
        let mut epoch = loader.epoch(0);
        assert_eq!(count.load(Ordering::SeqCst), 0);
        for taken in 1..=15 {
            epoch.next().unwrap().unwrap();
            let most = 60.min((taken + AHEAD) * 4);
            while count.load(Ordering::SeqCst) < most {
                std::thread::yield_now();
            }
            (0..100).for_each(|_| std::thread::yield_now());
            assert_eq!(count.load(Ordering::SeqCst), most);
        }
        assert!(epoch.next().is_none());
    }
}
