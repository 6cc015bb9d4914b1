use super::SamplerRule;
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::Key;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Batches that each example enters by itself, with the probability q = batch size / examples:
/// Poisson sampling.
///
/// The batch size is the expected one. A batch can be larger, smaller or empty, and batches do not
/// depend on each other: an example may be in several of an epoch or in none. An epoch has as many
/// batches as it takes to draw each example once on average.
///
/// The coins of batch `b` of epoch `e` are the words of 64 bits of the generator of
/// `key.named("poisson").child(e).child(b)`, one for each example in the order of the set: an
/// example behind the others leaves their coins as they are, and the keys of all batches too. A
/// coin's probability is q to 2⁻⁶⁴, and never above q. The generator, Philox, is not a
/// cryptographic one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poisson {}

impl Poisson {
    pub(super) const NAME: &str = "poisson";

    /// True if an example with this coin, one of 2⁶⁴ equally likely ones, enters a batch of so many
    /// expected examples of all.
    pub fn enters(coin: u64, examples: usize, batch_size: usize) -> bool {
        // coin / 2⁶⁴ < batch size / examples, in whole numbers and rounded down.
        (u128::from(coin) + 1) * examples as u128 <= (batch_size as u128) << 64
    }
}

impl SamplerRule for Poisson {
    fn spec(&self) -> Value {
        named_spec("sampler", Self::NAME, self)
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let key = key.named("poisson").child(epoch as u64);
        let batch = |batch| {
            let mut coins = key.child(batch as u64).generator();
            let enters = |_: &usize| Self::enters(coins.next_u64(), examples, batch_size);
            (0..examples).filter(enters).collect()
        };
        (0..self.batches(examples, batch_size)).map(batch).collect()
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn sizes_are_random(&self) -> bool {
        true
    }

    fn check(&self, examples: usize, batch_size: usize) -> Result<(), DataError> {
        match batch_size <= examples {
            true => Ok(()),
            false => {
                let wanted =
                    format!("the expected size of a batch, at most the {examples} examples");
                Err(DataError::setting("batch_size", batch_size, wanted))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_data::toy::toy;
    use crate::{Loader, Sampler};
    use burn::tensor::Device;

    /// Batches of 5 of 50 expected examples in 4,000 epochs of 10 batches.
    fn plans() -> Vec<Vec<Vec<usize>>> {
        (0..4000).map(|epoch| Poisson {}.plan(Key::new(3), epoch, 50, 5)).collect()
    }

    /// Within five standard errors: a test of one comparison fails with probability 6e-7.
    fn near(got: f64, wanted: f64, error: f64) {
        assert!((got - wanted).abs() < 5.0 * error, "{got}, wanted {wanted} ± {error}");
    }

    #[test]
    fn an_example_enters_a_batch_with_its_probability_and_sizes_are_binomial() {
        let batches = plans().concat();
        let (n, q) = (batches.len() as f64, 0.1);
        assert_eq!(n, 40_000.0);
        for example in 0..50 {
            let count = batches.iter().filter(|batch| batch.contains(&example)).count() as f64;
            near(count / n, q, (q * (1.0 - q) / n).sqrt());
        }
        // 50 coins: mean 5, variance 4.5, fourth central moment 3 v² + v (1 − 6 q (1 − q)).
        let sizes: Vec<f64> = batches.iter().map(|batch| batch.len() as f64).collect();
        near(sizes.iter().sum::<f64>() / n, 5.0, (4.5 / n).sqrt());
        let spread = sizes.iter().map(|size| (size - 5.0).powi(2)).sum::<f64>() / n;
        let fourth = 3.0 * 4.5 * 4.5 + 4.5 * (1.0 - 6.0 * q * (1.0 - q));
        near(spread, 4.5, ((fourth - 4.5 * 4.5) / n).sqrt());
        let empty = batches.iter().filter(|batch| batch.is_empty()).count() as f64 / n;
        let wanted = 0.9_f64.powi(50);
        near(empty, wanted, (wanted * (1.0 - wanted) / n).sqrt());
        assert!(empty > 0.0);
    }

    #[test]
    fn batches_and_examples_are_independent() {
        let batches = plans().concat();
        let n = batches.len() as f64;
        let has = |batch: &[usize], example| f64::from(u8::from(batch.contains(&example))) - 0.1;
        // Products of centered coins have the mean 0 and the variance (q (1 − q))².
        let error = 0.09 / n.sqrt();
        let of_two = batches.iter().map(|batch| has(batch, 7) * has(batch, 8)).sum::<f64>() / n;
        near(of_two, 0.0, error);
        let pairs = batches.windows(2);
        let of_steps = pairs.map(|two| has(&two[0], 7) * has(&two[1], 7)).sum::<f64>() / n;
        near(of_steps, 0.0, error);
    }

    #[test]
    fn another_example_leaves_the_others_in_their_batches_and_all_may_enter() {
        let plan = |examples| Poisson {}.plan(Key::new(1), 2, examples, examples);
        assert_eq!(plan(6), [(0..6).collect::<Vec<_>>()]);
        // The same probability of one half.
        let [few, more] = [40, 42].map(|examples| {
            let plan = Poisson {}.plan(Key::new(1), 2, examples, examples / 2);
            plan.into_iter().map(|mut batch| {
                batch.retain(|example| *example < 40);
                batch
            })
        });
        assert_eq!(few.collect::<Vec<_>>(), more.collect::<Vec<_>>());
    }

    #[test]
    fn another_example_leaves_the_keys_of_all_batches_as_they_are() {
        let [few, more] = [40, 42].map(|examples| {
            let loader = Loader::new(toy(examples), examples / 2, Key::new(1), &Device::flex());
            loader.unwrap().with_sampler(Sampler::poisson()).unwrap()
        });
        let mut sizes_differ = false;
        for epoch in 0..8 {
            let root = Key::new(1).named("batch").child(epoch as u64);
            for (a, b) in few.epoch(epoch).zip(more.epoch(epoch)) {
                let (a, b) = (a.unwrap(), b.unwrap());
                let key = root.child(a.number as u64);
                assert_eq!((a.key, b.key, b.number), (key, key, a.number));
                // The position in the order of the epoch is that of the batches before.
                sizes_differ |= a.first_example != b.first_example;
            }
        }
        assert!(sizes_differ);
    }

    #[test]
    fn a_loader_yields_empty_batches_and_all_others_in_their_places() {
        let loader = Loader::new(toy(3), 1, Key::new(1), &Device::flex()).unwrap();
        let loader = loader.with_sampler(Sampler::poisson()).unwrap();
        let mut empty = 0;
        for epoch in 0..20 {
            let sizes = loader.batch_sizes(epoch).unwrap();
            assert_eq!(sizes.len(), 3);
            for (number, batch) in loader.epoch(epoch).map(Result::unwrap).enumerate() {
                let n = sizes[number];
                assert_eq!((batch.number, batch.whole, batch.indices.len()), (number, n, n));
                assert_eq!(batch.images.dims(), [n, 2, 2, 3]);
                assert_eq!(batch.labels.dims(), [n]);
                assert_eq!(batch.share(), if n == 0 { 0.0 } else { 1.0 });
                empty += usize::from(n == 0);
            }
        }
        assert!(empty > 0);
    }

    #[test]
    fn an_expected_batch_beyond_the_data_is_refused() {
        let loader = Loader::new(toy(3), 4, Key::new(1), &Device::flex()).unwrap();
        let error = loader.with_sampler(Sampler::poisson()).unwrap_err().to_string();
        let says = "sampler poisson: batch_size: got 4, wanted the expected size of a batch";
        assert!(error.starts_with(says), "{error}");
        let sampler: Sampler = serde_json::from_str("\"poisson\"").unwrap();
        assert_eq!(sampler.spec(), Sampler::poisson().spec());
    }
}
