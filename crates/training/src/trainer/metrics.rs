//! The means of losses and scores over an epoch.

use crate::history::{CLEAN, LOSS, ROBUST, ROBUST_LOSS};
use crate::stop::StopSignal;
use burn::tensor::{Tensor, TensorReadError};
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, ItemLazy, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The loss and scores of each example of a step, `[batch]` each.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// The position of the first example in the epoch.
    pub first: u64,
    /// The loss, and the scores by the names of metrics.
    pub values: Vec<(Arc<String>, Tensor<1>)>,
}

impl ItemLazy for Outcome {
    fn sync(self) -> Result<Self, burn_std::ExecutionError> {
        if let Some((_, values)) = self.values.first() {
            values.device().flush()?;
        }
        Ok(self)
    }
}

impl Adaptor<Outcome> for Outcome {
    fn adapt(&self) -> Outcome {
        self.clone()
    }
}

/// The mean over the examples of an epoch. It stops the run at a value that is not finite.
#[derive(Clone)]
pub(crate) struct Mean {
    name: MetricName,
    /// The name in the reason of a stop.
    label: String,
    state: NumericMetricState,
    /// Mean and number of examples of each batch of the epoch, by its first example.
    batches: BTreeMap<u64, (f64, usize)>,
    signal: StopSignal,
}

impl Mean {
    /// The metric of this name, which the reason of a stop gives by its label.
    pub fn new(name: &str, label: impl Into<String>, signal: &StopSignal) -> Self {
        let (name, label) = (Arc::new(name.to_string()), label.into());
        let state = NumericMetricState::new();
        Self { name, label, state, batches: BTreeMap::new(), signal: signal.clone() }
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

impl Metric for Mean {
    type Input = Outcome;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        let loss = [LOSS, ROBUST_LOSS].contains(&self.name.as_str());
        NumericAttributes { unit: None, higher_is_better: !loss }.into()
    }

    fn update(
        &mut self,
        outcome: &Outcome,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        // Without values the epoch's mean stays undefined, which the history leaves out.
        let values = outcome.values.iter().find(|(name, _)| *name == self.name);
        if let Some((_, values)) = values {
            let [n] = values.dims();
            let mean = values.clone().mean().try_into_scalar::<f64>()?;
            self.signal.unless_finite(&self.label, mean);
            self.state.update(mean, n);
            self.batches.insert(outcome.first, (mean, n));
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

impl Numeric for Mean {
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

/// The name of the metric of a score.
pub(crate) fn metric_name(score: &str) -> Arc<String> {
    let name = match score {
        "loss" => LOSS,
        crate::objectives::CLEAN => CLEAN,
        crate::objectives::ROBUST => ROBUST,
        crate::objectives::ROBUST_LOSS => ROBUST_LOSS,
        score => score,
    };
    Arc::new(name.to_string())
}
