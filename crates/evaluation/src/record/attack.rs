//! One attack of a record.

use super::Accuracy;
use cni_attacks::{Access, Passes, Threat};
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One attack and what it left of the accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttackRecord {
    /// Its name.
    pub name: String,
    /// All its parameters.
    pub spec: serde_json::Value,
    /// SHA-256 of the parameters: equal hashes are equal attacks.
    pub hash: String,
    /// The key of its random numbers.
    pub key: Key,
    /// Robust accuracy under this attack. In a [cascade](super::Record::cascade) it is that after this
    /// attack and those before it.
    pub robust: Accuracy,
    /// What it asks of the model. Records before version 3 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Draws of the model's noise that each of its gradients averages over, 1 where the model has
    /// none; absent for an attack without gradients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_draws: Option<usize>,
    /// Whether its accuracy says anything against a model without noise, as [`Record::is_evidence`](super::Record::is_evidence)
    /// has it. Records before version 3 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<bool>,
    /// Examples that it was run on: a model without noise is not attacked where it is wrong anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attacked: Option<usize>,
    /// Examples that it broke in a cascade: the model is wrong on them in every draw that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<usize>,
    /// Whether a [budget](super::Record::budget) ended it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
    /// What the attack cost, in passes of single images; the scoring is not in it, nor the attacks
    /// on the model with its noise off or held.
    pub passes: Passes,
    /// Seconds that the attack took.
    pub seconds: f64,
}

impl AttackRecord {
    /// The threat that its settings name; `None` if they name none.
    pub fn threat(&self) -> Option<Threat> {
        serde_json::from_value(self.spec["threat"].clone()).ok()
    }
}
