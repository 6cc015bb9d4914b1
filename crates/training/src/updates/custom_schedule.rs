//! Learning rates from a function.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The interval at which a schedule moves the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// After every optimizer step: PyTorch's scheduler stepped once a batch.
    Step,
    /// After every epoch: PyTorch's scheduler stepped once an epoch.
    Epoch,
}

impl By {
    pub(super) fn step() -> Self {
        Self::Step
    }

    pub(super) fn epoch() -> Self {
        Self::Epoch
    }
}

/// A learning rate from a function: [`Schedule::custom`](super::Schedule::custom).
#[derive(Clone)]
pub struct CustomSchedule {
    spec: Value,
    rate: Arc<dyn Fn(usize, usize) -> f64 + Send + Sync>,
    pub(super) by: By,
}

impl CustomSchedule {
    pub(super) fn new(
        spec: Value,
        rate: impl Fn(usize, usize) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self { spec, rate: Arc::new(rate), by: By::Step }
    }

    pub(super) fn spec(&self) -> &Value {
        &self.spec
    }

    pub(super) fn rate(&self, at: usize, of: usize) -> f64 {
        (self.rate)(at, of)
    }
}

impl Serialize for CustomSchedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::json!({ "spec": self.spec, "by": self.by }).serialize(serializer)
    }
}

impl fmt::Debug for CustomSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomSchedule({})", self.spec)
    }
}
