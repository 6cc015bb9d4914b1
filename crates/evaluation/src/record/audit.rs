//! The audit behind a record.

use crate::audit::Effort;
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the checks of a record are about: the attack that they audited, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// The name of the audited attack, as the record's attacks have it.
    pub attack: String,
    /// The attack of the record that it is a part of; absent where it stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// Its settings in the suite.
    pub spec: Value,
    /// SHA-256 of these settings.
    pub hash: String,
    /// Draws that each gradient averaged over under audit. One for a model without noise, whatever the settings.
    pub draws: usize,
    /// The key of the audit.
    pub key: Key,
    /// The radius of its threat.
    pub epsilon: f64,
    /// How much was spent.
    #[schemars(with = "String")]
    pub effort: Effort,
    /// The most examples that any check used, from the first of the data.
    pub examples: usize,
}
