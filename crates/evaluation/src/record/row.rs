//! Rows: the single examples of a record.

use super::RowCertificate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The row of one example. Each number of correct draws is out of the record's number of draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The number of the example within the data.
    pub index: usize,
    /// The label of the example.
    pub label: i64,
    /// The number of correct draws on the clean image.
    pub clean: u32,
    /// The class that most draws give the clean image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<i64>,
    /// The attacks, in the order of the record. In a [cascade](super::Record::cascade) each entry
    /// is about the worst image so far.
    pub attacks: Vec<RowAttack>,
    /// The number of correct draws under the attack that hurts most.
    pub worst_case: u32,
    /// The certificate of the smoothed classifier, if there are certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<RowCertificate>,
    /// The attack of a cascade that broke the example; absent if none did, or if the clean image
    /// was misclassified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<String>,
}

/// The result of one attack on one example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowAttack {
    /// The number of correct draws.
    pub correct: u32,
    /// The distance of the adversarial image from the clean one, in the norm of the attack's
    /// threat.
    pub distance: f64,
    /// The class that most draws give the adversarial image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<i64>,
    /// True if the model with its noise off is right on the image that was attacked in that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_off: Option<bool>,
    /// True if the model with its noise held is right on the image that was attacked in that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_noise: Option<bool>,
}
