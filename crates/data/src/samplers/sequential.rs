use super::Sampler;
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// Every example once an epoch, in the order of the set.
///
/// The last batch is smaller if the batch size does not divide the number of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequential {
    /// Examples of a batch, at least 1.
    pub batch_size: usize,
}

impl Sampler for Sequential {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn plan(&self, _key: Key, _epoch: usize, examples: usize) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..examples).collect();
        order.chunks(self.batch_size).map(<[usize]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_set_in_its_order() {
        let plan = Sequential { batch_size: 2 }.plan(Key::new(3), 5, 5);
        assert_eq!(plan, [vec![0, 1], vec![2, 3], vec![4]]);
    }
}
