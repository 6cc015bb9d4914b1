use super::randomness::SystemRandom;
use cni_data::{DataError, Poisson, SamplerRule};
use cni_noise::Key;
use serde_json::{Value, json};

/// Poisson sampling of a data set of known size, so that the sampling rate is the one accounted
/// for: [`Poisson`], or the same with coins of the operating system.
pub(super) struct PrivateSampler {
    /// The number of examples.
    pub examples: usize,
    /// The source of the coins, if it is not the key.
    pub system: Option<SystemRandom>,
}

impl SamplerRule for PrivateSampler {
    fn spec(&self) -> Value {
        let randomness = if self.system.is_some() { "system" } else { "keyed" };
        json!({ "sampler": "private_poisson", "examples": self.examples, "randomness": randomness })
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let Some(system) = &self.system else {
            return Poisson {}.plan(key, epoch, examples, batch_size);
        };
        let batch = |_| {
            let coins = system.words(examples).into_iter().enumerate();
            let enters = |(_, coin): &(usize, u64)| Poisson::enters(*coin, examples, batch_size);
            coins.filter(enters).map(|(example, _)| example).collect()
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
        if examples != self.examples {
            let wanted = format!("the {} that the privacy was planned for", self.examples);
            return Err(DataError::setting("examples", examples, wanted));
        }
        Poisson {}.check(examples, batch_size)
    }
}
