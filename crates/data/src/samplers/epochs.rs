use super::Sampler;
use cni_noise::{Key, permutation};
use serde::{Deserialize, Serialize};

/// Every example once an epoch, in a new random order each time.
///
/// The order of epoch `e` is the permutation of `key.named("order").child(e)`, cut into batches.
/// The last batch is smaller if the batch size does not divide the number of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// Examples of a batch, at least 1.
    pub batch_size: usize,
}

impl Sampler for Epochs {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize) -> Vec<Vec<usize>> {
        let order = permutation(key.named("order").child(epoch as u64), examples);
        order.chunks(self.batch_size).map(<[usize]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_permutation_of_its_epoch_in_batches() {
        let plan = Epochs { batch_size: 4 }.plan(Key::new(3), 5, 10);
        assert_eq!(plan.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(plan.concat(), permutation(Key::new(3).named("order").child(5), 10));
    }
}
