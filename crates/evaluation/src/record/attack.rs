//! One attack of a record.

use super::{Accuracy, Spectrum};
use cni_attacks::{Access, Passes, Threat};
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One attack of a record, and the accuracy under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttackRecord {
    /// The name of the attack, as tables show it.
    pub name: String,
    /// The settings of the attack, all of them.
    pub spec: serde_json::Value,
    /// The SHA-256 of the settings: equal hashes mean equal attacks.
    pub hash: String,
    /// The key of the attack's random numbers.
    pub key: Key,
    /// Robust accuracy under this attack. In a [cascade](super::Record::cascade) it is the accuracy
    /// after this attack and those before it.
    pub robust: Accuracy,
    /// The access to the model that the attack needs. Absent in records before version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The number of draws over which the attack averages each gradient; 1 if the model has no
    /// noise. Absent for an attack without gradients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_draws: Option<usize>,
    /// True if its accuracy is evidence in a comparison with a model without noise: see
    /// [`Record::is_evidence`](super::Record::is_evidence). Absent in records before version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<bool>,
    /// The number of examples that it attacked. Without noise, misclassified images are not
    /// attacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attacked: Option<usize>,
    /// The number of examples that it broke in a cascade: the model is wrong on them in every draw
    /// that selects between attacks. These draws are as many as judge, and not the same. Absent
    /// outside of cascades.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<usize>,
    /// True if a [budget](super::Record::budget) ended it early.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
    /// The frequencies at which its perturbations lie, found with live noise, before a cascade
    /// chooses. Absent if it changed no image, and in records of older versions of the library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectrum: Option<Spectrum>,
    /// The cost of the attack on the model with live noise, in passes of single images. Judging is
    /// not included.
    pub passes: Passes,
    /// The time of the attack in seconds.
    pub seconds: f64,
}

impl AttackRecord {
    /// The threat in the attack's settings; `None` if they name none.
    pub fn threat(&self) -> Option<Threat> {
        serde_json::from_value(self.spec["threat"].clone()).ok()
    }
}
