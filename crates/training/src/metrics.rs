//! Loss, clean and robust accuracy of an epoch.

use crate::stop::Fault;
use burn::tensor::{Tensor, TensorReadError};
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, ItemLazy, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The metrics by number: which of an outcome's values each of them takes.
pub(crate) const LOSS: usize = 0;
pub(crate) const CLEAN: usize = 1;
pub(crate) const ROBUST: usize = 2;
pub(crate) const NAMES: [&str; 3] = ["Loss", "Clean", "Robust"];

/// What a step says of each of its examples, `[batch]` each: the loss, and 1 where it was
/// classified correctly.
pub(crate) struct Outcome {
    /// The position of the first example in the epoch.
    pub first: u64,
    pub loss: Tensor<1>,
    pub clean: Option<Tensor<1>>,
    pub robust: Option<Tensor<1>>,
}

impl ItemLazy for Outcome {
    fn sync(self) -> Result<Self, burn_std::ExecutionError> {
        self.loss.device().flush()?;
        Ok(self)
    }
}

/// The values that metric `WHICH` takes, with the position of the first.
pub(crate) struct Values<const WHICH: usize>(u64, Option<Tensor<1>>);

impl<const WHICH: usize> Adaptor<Values<WHICH>> for Outcome {
    fn adapt(&self) -> Values<WHICH> {
        let values = match WHICH {
            LOSS => Some(self.loss.clone()),
            CLEAN => self.clean.clone(),
            _ => self.robust.clone(),
        };
        Values(self.first, values)
    }
}

/// The mean over the examples of an epoch. It stops the run where a value is not finite.
#[derive(Clone)]
pub(crate) struct Mean<const WHICH: usize> {
    state: NumericMetricState,
    /// Mean and number of examples of each batch of the epoch, by its first example.
    batches: BTreeMap<u64, (f64, usize)>,
    fault: Fault,
}

impl<const WHICH: usize> Mean<WHICH> {
    pub fn new(fault: &Fault) -> Self {
        let state = NumericMetricState::new();
        Self { state, batches: BTreeMap::new(), fault: fault.clone() }
    }

    /// The state after all batches in their order in the epoch. Several devices report theirs in
    /// the order in which they finish, on which the last bit of a sum depends.
    fn in_order(&self) -> NumericMetricState {
        let mut state = NumericMetricState::new();
        self.batches.values().for_each(|&(mean, n)| state.update(mean, n));
        state
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(3)
    }
}

impl<const WHICH: usize> Metric for Mean<WHICH> {
    type Input = Values<WHICH>;

    fn name(&self) -> MetricName {
        Arc::new(NAMES[WHICH].to_string())
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: WHICH != LOSS }.into()
    }

    fn update(
        &mut self,
        values: &Values<WHICH>,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        // Without values the epoch's mean stays undefined, which the history leaves out.
        let Values(first, values) = values;
        if let Some(values) = values {
            let [n] = values.dims();
            let mean = values.clone().mean().try_into_scalar::<f64>()?;
            self.fault.unless_finite(&NAMES[WHICH].to_lowercase(), mean);
            self.state.update(mean, n);
            self.batches.insert(*first, (mean, n));
        }
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.in_order().compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
        self.batches.clear();
    }
}

impl<const WHICH: usize> Numeric for Mean<WHICH> {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.in_order().final_value()
    }
}
