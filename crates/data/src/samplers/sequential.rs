use super::SamplerRule;
use crate::slots::named_spec;
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every example once an epoch, in the order of the set.
///
/// The last batch is smaller if the batch size does not divide the number of examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequential {}

impl Sequential {
    pub(super) const NAME: &str = "sequential";
}

impl SamplerRule for Sequential {
    fn spec(&self) -> Value {
        named_spec("sampler", Self::NAME, self)
    }

    fn plan(&self, _: Key, _epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..examples).collect();
        order.chunks(batch_size).map(<[usize]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_set_in_its_order() {
        let plan = Sequential {}.plan(Key::new(3), 5, 5, 2);
        assert_eq!(plan, [vec![0, 1], vec![2, 3], vec![4]]);
    }
}
