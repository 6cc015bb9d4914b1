//! The running statistics of an averaged model, such as those of batch norm.

use crate::TrainingError;
use crate::devices::replica::statistics;
use crate::parameters::{MapFloat, VisitFloat, map_floats, visit_floats};
use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// The running statistics that an averaged model is judged and saved with.
///
/// As JSON `"averaged"` or `{ "recomputed": 10000 }`. A model without running statistics is the
/// same either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatistics {
    /// Those of the trained model, averaged as its weights are.
    Averaged,
    /// Those of the averaged model on so many training examples, at least 1, or on all if there are
    /// fewer: PyTorch's `update_bn`.
    ///
    /// After each epoch, before the validation, the averaged model makes a training pass, in full
    /// precision and without gradients, over batches of the run's size: clean images under the
    /// run's augmentations and the model's noise, drawn by keys of their own. A statistic becomes
    /// the mean of those of the batches, weighted by examples. The statistics of frozen layers
    /// stay, and so do those that no moving average makes.
    Recomputed(usize),
}

impl Default for BatchStatistics {
    /// Recomputed from 10,000 examples.
    fn default() -> Self {
        Self::Recomputed(10_000)
    }
}

impl BatchStatistics {
    pub(super) fn check(self) -> Result<(), TrainingError> {
        match self {
            Self::Recomputed(0) => {
                let wanted = "at least 1 example";
                Err(TrainingError::setting("batch_statistics", "recomputed from 0", wanted))
            }
            _ => Ok(()),
        }
    }
}

/// The values of statistics, flat.
type Values = HashMap<ParamId, Tensor<1>>;

/// A value beside which those of a batch are nothing, in single precision.
const HUGE: f64 = (1_u64 << 60) as f64;

/// The least share of a batch in a moving average that can be read off.
const LEAST_SHARE: f64 = 1e-6;

/// The mean over batches of the statistics of each, for modules of any type whose running
/// statistics are moving averages: `r` becomes `(1 − m) r + m b` with those `b` of a batch.
///
/// No module tells `b` or `m`. A pass from `r = 0` leaves `m b`, and one from a huge `r` tells `m`.
pub(crate) struct Recomputation<N> {
    /// As by `valid()`.
    model: N,
    ids: HashSet<ParamId>,
    /// The share `m` of a batch in each statistic that training moves, once a batch is known.
    shares: Option<HashMap<ParamId, f64>>,
    /// The sums of `m b`, weighted by examples.
    sums: Values,
    examples: usize,
}

impl<N: Module> Recomputation<N> {
    /// The recomputation for a model as by `valid()`.
    pub fn new(model: N) -> Self {
        let ids = statistics(&model);
        // A copy whose statistics are shared with no other.
        let model = model.valid();
        Self { model, ids, shares: None, sums: Values::new(), examples: 0 }
    }

    /// True if the model has no running statistics.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Counts a batch of so many examples: `pass` makes a training pass of a model over it.
    pub fn add(&mut self, examples: usize, pass: impl Fn(&N)) {
        if self.shares.is_none() {
            self.shares = Some(self.read_shares(&pass));
        }
        let moving = self.shares.iter().flat_map(|shares| shares.keys().copied()).collect();
        for (id, value) in self.after(&moving, 0.0, &pass) {
            let value = value.mul_scalar(examples as f64);
            let sum = match self.sums.remove(&id) {
                Some(sum) => sum + value,
                None => value,
            };
            self.sums.insert(id, sum);
        }
        self.examples += examples;
    }

    /// The model with the new statistics, as by `valid()`.
    pub fn finish(self) -> N {
        struct Write(Values);
        impl MapFloat for Write {
            fn map<const D: usize>(
                &mut self,
                _: &str,
                param: Param<Tensor<D>>,
            ) -> Param<Tensor<D>> {
                match self.0.remove(&param.id) {
                    Some(value) => param.map(|old| value.reshape(old.dims())),
                    None => param,
                }
            }
        }
        let (examples, shares) = (self.examples as f64, self.shares.unwrap_or_default());
        let mean = |(id, sum): (ParamId, Tensor<1>)| {
            let share = shares.get(&id)?;
            Some((id, sum.div_scalar(examples * share)))
        };
        let means = self.sums.into_iter().filter_map(mean).collect();
        map_floats(self.model, &mut Write(means))
    }

    /// The share of a batch in each statistic that a training pass moves.
    fn read_shares(&self, pass: &impl Fn(&N)) -> HashMap<ParamId, f64> {
        let host = |value: &Tensor<1>| value.try_to_vec_as::<f32>().unwrap_or_default();
        let before = read(&self.model, &self.ids);
        let mut after = self.after(&HashSet::new(), 0.0, pass);
        // That of a frozen layer is used as it is, and must stay.
        after.retain(|id, value| before.get(id).is_some_and(|old| host(old) != host(value)));
        let moving = after.into_keys().collect();
        let kept = self.after(&moving, HUGE, pass).into_iter().map(|(id, value)| {
            let kept = host(&value).into_iter().fold(0.0, |most, kept| f64::from(kept).max(most));
            (id, 1.0 - kept / HUGE)
        });
        kept.filter(|(id, share)| moving.contains(id) && *share > LEAST_SHARE).collect()
    }

    /// The statistics after a pass that begins with `start` in those that move.
    fn after(&self, moving: &HashSet<ParamId>, start: f64, pass: &impl Fn(&N)) -> Values {
        struct Begin<'a>(&'a HashSet<ParamId>, f64);
        impl MapFloat for Begin<'_> {
            fn map<const D: usize>(
                &mut self,
                _: &str,
                param: Param<Tensor<D>>,
            ) -> Param<Tensor<D>> {
                match self.0.contains(&param.id) {
                    true => param.map(|old| old.zeros_like().add_scalar(self.1)),
                    false => param,
                }
            }
        }
        // Parameters that need no gradient keep no graph; layers know from their own flags that
        // this is training.
        let net = map_floats(self.model.clone().train().no_grad(), &mut Begin(moving, start));
        pass(&net);
        // A statistic is behind by one update until its model is asked for its inference form.
        read(&net.valid(), &self.ids)
    }
}

/// The values of these parameters of a model.
fn read<N: Module>(model: &N, ids: &HashSet<ParamId>) -> Values {
    struct Read<'a>(&'a HashSet<ParamId>, Values);
    impl VisitFloat for Read<'_> {
        fn visit<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
            if self.0.contains(&param.id) {
                let value = param.base();
                let count = value.dims().iter().product::<usize>();
                self.1.insert(param.id, value.reshape([count]));
            }
        }
    }
    let mut read = Read(ids, Values::new());
    visit_floats(model, &mut read);
    read.1
}

#[cfg(test)]
mod tests {
    use super::super::tests::{list, reference};
    use super::*;
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
    use burn::tensor::{Device, TensorData};

    #[derive(Module, Debug)]
    struct Net {
        hidden: Linear,
        norm: BatchNorm,
    }

    impl Net {
        /// The first layers of the averaged model of the reference.
        fn new(weights: &[f64], momentum: f64) -> Self {
            let device = Device::flex();
            let tensor = |values: &[f64]| Tensor::<1>::from_data(TensorData::from(values), &device);
            let mut hidden = LinearConfig::new(6, 4).init(&device);
            let weight = tensor(&weights[..24]).reshape([4, 6]).transpose();
            hidden.weight = Param::from_tensor(weight);
            hidden.bias = Some(Param::from_tensor(tensor(&weights[24..28])));
            let norm = BatchNormConfig::new(4).with_momentum(momentum).init(&device);
            Self { hidden, norm }
        }

        fn recomputed(self, batches: &[Tensor<2>]) -> Self {
            let mut recomputation = Recomputation::new(self.valid());
            for batch in batches {
                let images = batch.clone().autodiff();
                recomputation.add(batch.dims()[0], |net| {
                    let hidden = net.hidden.forward(images.clone());
                    assert!(!net.norm.forward(hidden).is_tracked());
                });
            }
            recomputation.finish()
        }

        fn statistics(&self) -> [Vec<f64>; 2] {
            [&self.norm.running_mean, &self.norm.running_var]
                .map(|running| running.value_sync().try_to_vec_as().unwrap())
        }
    }

    fn batches(reference: &serde_json::Value) -> Vec<Tensor<2>> {
        let batches = reference["batches"].as_array().unwrap().iter();
        let tensor = |batch| {
            let data = TensorData::from(&list(batch)[..]);
            Tensor::<1>::from_data(data, &Device::flex()).reshape([8, 6])
        };
        batches.map(tensor).collect()
    }

    /// Whatever the share of a batch in the moving average.
    #[test]
    fn recomputed_statistics_are_those_of_pytorchs_update_bn() {
        let reference = reference();
        let weights = list(&reference["steps"].as_array().unwrap().last().unwrap()["swa"]);
        let n = reference["batch"].as_f64().unwrap();
        let unbiased = list(&reference["unbiased_variance"]).into_iter();
        let variance: Vec<f64> = unbiased.map(|v| v * (n - 1.0) / n).collect();
        for momentum in [0.1, 0.01, 0.3, 1.0] {
            let net = Net::new(&weights, momentum).recomputed(&batches(&reference));
            let wanted: [Vec<f64>; 2] = [list(&reference["mean"]), variance.clone()];
            for (got, wanted) in net.statistics().iter().flatten().zip(wanted.iter().flatten()) {
                let off = (got - wanted).abs() / wanted.abs().max(1.0);
                assert!(off < 1e-5, "{momentum}: {got} ≠ {wanted}");
            }
        }
    }

    #[test]
    fn batches_count_by_their_examples_and_frozen_statistics_stay() {
        let reference = reference();
        let weights = list(&reference["steps"][0]["weights"]);
        let all = batches(&reference);
        let (one, two) = (&all[0], &all[1]);
        let parts = [one.clone(), two.clone().narrow(0, 0, 2)];
        let both = Net::new(&weights, 0.1).recomputed(&parts).statistics();
        let [first, second] =
            parts.map(|part| Net::new(&weights, 0.1).recomputed(&[part]).statistics());
        for (i, got) in both.iter().flatten().enumerate() {
            let of = |net: &[Vec<f64>; 2]| net[i / 4][i % 4];
            let wanted = 0.8 * of(&first) + 0.2 * of(&second);
            assert!((got - wanted).abs() < 1e-5, "{got} ≠ {wanted}");
        }
        // A momentum of zero never moves.
        let still = Net::new(&weights, 0.0);
        let mut frozen = Net::new(&weights, 0.1);
        frozen.norm = frozen.norm.freeze();
        for net in [still, frozen] {
            let before = net.statistics();
            assert_eq!(net.recomputed(&batches(&reference)).statistics(), before);
        }
        let mut none = Recomputation::new(Net::new(&weights, 0.1).hidden);
        assert!(none.is_empty());
        none.add(1, |_| ());
        none.finish();
    }
}
