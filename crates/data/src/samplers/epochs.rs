use super::SamplerRule;
use crate::slots::named_spec;
use cni_noise::{Key, permutation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every example once an epoch, in a new random order each time.
///
/// The order of epoch `e` is the permutation of `key.named("order").child(e)`, cut into batches.
/// The last batch is smaller if the batch size does not divide the number of examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epochs {}

impl Epochs {
    pub(super) const NAME: &str = "epochs";
}

impl SamplerRule for Epochs {
    fn spec(&self) -> Value {
        named_spec("sampler", Self::NAME, self)
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let order = permutation(key.named("order").child(epoch as u64), examples);
        order.chunks(batch_size).map(<[usize]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_permutation_of_its_epoch_in_batches() {
        let plan = Epochs {}.plan(Key::new(3), 5, 10, 4);
        assert_eq!(plan.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(plan.concat(), permutation(Key::new(3).named("order").child(5), 10));
    }
}
