use serde::{Deserialize, Serialize};

/// The losses of a step, before its updates and without their weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLosses {
    /// The label similarity's.
    pub label: f64,
    /// The penalty, in a training with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// The network's adversarial loss, in a training with an adversary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<f64>,
    /// The discriminator's loss at its last update of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<f64>,
}
