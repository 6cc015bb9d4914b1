use super::{Epochs, SamplerRule};
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every example so many times an epoch: each batch of [`Epochs`] is given several times in a row,
/// as free adversarial training has it (Shafahi et al., arXiv 1904.12843, algorithm 1).
///
/// An augmentation is a function of the epoch and the example, so that all replays of a batch have
/// the same images. Each has a key of its own, and with it noise of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replays {
    /// How often each batch is given, at least 1.
    pub times: usize,
}

impl Replays {
    pub(super) const NAME: &str = "replays";
}

impl SamplerRule for Replays {
    fn spec(&self) -> Value {
        named_spec("sampler", Self::NAME, self)
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let plan = Epochs {}.plan(key, epoch, examples, batch_size).into_iter();
        plan.flat_map(|batch| std::iter::repeat_n(batch, self.times)).collect()
    }

    fn batches(&self, examples: usize, batch_size: usize) -> usize {
        self.times * Epochs {}.batches(examples, batch_size)
    }

    fn times(&self) -> u64 {
        self.times as u64
    }

    fn check(&self, _examples: usize, _batch_size: usize) -> Result<(), DataError> {
        match self.times {
            0 => Err(DataError::setting("times", 0, "at least 1")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_data::toy::toy;
    use crate::{CropFlip, Loader, Sampler};
    use burn::tensor::Device;

    #[test]
    fn replays_of_a_batch_have_its_images_and_keys_of_their_own() {
        let loader = Loader::new(toy(10), 4, Key::new(1), &Device::flex()).unwrap();
        let loader = loader.with_augmentation(CropFlip { padding: 1 }).unwrap();
        let loader = loader.with_sampler(Sampler::replays(3)).unwrap();
        let batches: Vec<_> = loader.epoch(2).map(Result::unwrap).collect();
        assert_eq!((batches.len(), loader.batches_per_epoch()), (9, 9));
        for replays in batches.chunks(3) {
            for other in &replays[1..] {
                assert_eq!(other.images.to_data(), replays[0].images.to_data());
                assert_eq!(other.indices, replays[0].indices);
                assert_ne!(other.key, replays[0].key);
            }
        }
        assert_eq!(Replays { times: 1 }.plan(Key::new(3), 1, 9, 4), {
            Epochs {}.plan(Key::new(3), 1, 9, 4)
        });
    }

    #[test]
    fn no_replay_is_refused_and_a_file_gives_the_number() {
        let loader = Loader::new(toy(10), 4, Key::new(1), &Device::flex()).unwrap();
        let error = loader.with_sampler(Sampler::replays(0)).unwrap_err().to_string();
        assert_eq!(error, "sampler replays: times: got 0, wanted at least 1");
        let sampler: Sampler = serde_json::from_str(r#"{"sampler":"replays","times":8}"#).unwrap();
        assert_eq!(sampler.spec(), Sampler::replays(8).spec());
        assert_eq!((sampler.times(), Sampler::epochs().times()), (8, 1));
    }
}
