//! One example of a record.

use super::RowCertificate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one example fared. `correct` counts are out of the record's number of draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Number of the example within the data.
    pub index: usize,
    /// Its label.
    pub label: i64,
    /// Correct draws on the image as it is.
    pub clean: u32,
    /// The class that most draws give the image as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<i64>,
    /// The attacks, in the order of the record. In a [cascade](super::Record::cascade) each has the worst
    /// image so far.
    pub attacks: Vec<RowAttack>,
    /// Correct draws under the attack that hurts most.
    pub worst_case: u32,
    /// The certificate of the smoothed classifier, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<RowCertificate>,
    /// The attack of a cascade that broke it; absent if none did, or the model was wrong as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<String>,
}

/// How one example fared under one attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowAttack {
    /// Correct draws.
    pub correct: u32,
    /// Distance of the adversarial image in the threat's norm.
    pub distance: f64,
    /// The class that most draws give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<i64>,
    /// Whether the model without its noise is right on the image that the attack made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_off: Option<bool>,
    /// Whether the model with its noise held is right on the image that the attack made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_noise: Option<bool>,
}
