use super::{Batch, Loader};
use crate::DataError;
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;
use std::sync::Arc;

/// A loader that deals each of its batches out to several devices.
///
/// Burn gives every device a slice of the epoch, and each of them makes batches of its own slice.
/// That would be other batches for every number of devices, so here a slice of the epoch is taken
/// to mean a share of every batch.
#[derive(Debug)]
pub struct Shares {
    loader: Loader,
    devices: usize,
}

impl Shares {
    /// Shares for `devices` of them: at least 1, at most as many as a batch or the data have
    /// examples.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] for another number.
    pub fn new(loader: Loader, devices: usize) -> Result<Self, DataError> {
        let most = loader.batch_size.min(loader.data.len());
        match (1..=most).contains(&devices) {
            true => Ok(Self { loader, devices }),
            false => {
                let wanted = format!("1 to {most}, an example of a batch for each");
                Err(DataError::setting("devices", devices, wanted))
            }
        }
    }
}

impl DataLoader<Batch> for Shares {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        self.loader.iter()
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self { loader: self.loader.clone().on(device), devices: self.devices })
    }

    /// The share of the device whose slice begins at `start`: Burn's slices are equally long but
    /// for the last.
    fn slice(&self, start: usize, _end: usize) -> Arc<dyn DataLoader<Batch>> {
        let index = start / (self.num_items() / self.devices).max(1);
        Arc::new(self.loader.clone().share(index, self.devices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CropFlip;
    use crate::image_data::toy::toy;
    use burn::data::dataloader::split::split_dataloader;
    use cni_noise::Key;

    fn loader(n: usize, batch_size: usize) -> Loader {
        let loader = Loader::new(toy(n), batch_size, Key::new(1), &Device::flex()).unwrap();
        loader.with_augmentation(CropFlip { padding: 1 }).unwrap().resume_at(2)
    }

    /// Pixels and labels of a batch, its key and its epoch, where it begins and how many examples
    /// it was cut from.
    type Seen = (Vec<f32>, Vec<i32>, Key, usize, u64, usize);

    fn see(batch: Batch) -> Seen {
        let images = batch.images.try_to_vec_as().unwrap();
        let labels = batch.labels.try_to_vec_as().unwrap();
        (images, labels, batch.key, batch.epoch, batch.first_example, batch.whole)
    }

    /// Every step of Burn's loop: one batch of each device that still has one.
    fn steps(loaders: &[Arc<dyn DataLoader<Batch>>]) -> Vec<Vec<Seen>> {
        let mut iterators: Vec<_> = loaders.iter().map(|loader| loader.iter()).collect();
        let mut step = || -> Vec<Seen> {
            iterators.iter_mut().filter_map(|it| it.next()).map(|b| see(b.unwrap())).collect()
        };
        std::iter::from_fn(|| Some(step()).filter(|step| !step.is_empty())).collect()
    }

    #[test]
    fn a_step_of_all_devices_is_the_batch_of_one() {
        // The last batch has 3, 5, 1 and 4 examples.
        for (n, batch_size, devices) in [(23, 4, 2), (23, 6, 3), (21, 5, 4), (4, 9, 4)] {
            let one: [Arc<dyn DataLoader<Batch>>; 1] = [Arc::new(loader(n, batch_size))];
            let flex = vec![Device::flex(); devices];
            let dealt = split_dataloader::<Batch>(
                Arc::new(Shares::new(loader(n, batch_size), devices).unwrap()),
                &flex,
            );
            assert_eq!(dealt.iter().map(|part| part.num_items()).sum::<usize>(), n);
            for _epoch in 0..2 {
                let several = steps(&dealt);
                let joined: Vec<Seen> = several.iter().map(|shares| join(shares)).collect();
                assert_eq!(joined, steps(&one).concat());
                let sizes = several[0].iter().map(|share| share.1.len());
                assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
            }
        }
    }

    /// The batch that was cut into these shares.
    fn join(shares: &[Seen]) -> Seen {
        let mut whole = shares[0].clone();
        for share in &shares[1..] {
            assert_eq!((share.2, share.3, share.5), (whole.2, whole.3, whole.5));
            assert_eq!(share.4, whole.4 + whole.1.len() as u64);
            whole.0.extend(&share.0);
            whole.1.extend(&share.1);
        }
        assert_eq!(whole.1.len(), whole.5);
        whole
    }

    #[test]
    fn shares_count_what_they_yield() {
        for index in 0..3 {
            let part = loader(22, 5).share(index, 3);
            let mut batches = part.iter();
            let mut examples = 0;
            while let Some(batch) = batches.next() {
                examples += batch.unwrap().labels.dims()[0];
                assert_eq!(batches.progress().items_processed, examples);
            }
            assert_eq!(part.num_items(), examples);
            assert!(batches.progress().is_completed());
        }
    }

    #[test]
    fn devices_without_an_example_of_a_batch_are_refused_by_their_number() {
        for (n, batch_size, devices, most) in [(22, 5, 0, 5), (22, 5, 6, 5), (4, 9, 5, 4)] {
            let error = Shares::new(loader(n, batch_size), devices).unwrap_err().to_string();
            let says = format!("devices: got {devices}, wanted 1 to {most}, an example");
            assert!(error.starts_with(&says), "{error}");
        }
    }

    #[test]
    #[should_panic(expected = "share 0 of 6: wanted an index below a number of shares from 1 to 5")]
    fn more_shares_than_examples_of_a_batch_are_refused() {
        loader(22, 5).share(0, 6);
    }
}
