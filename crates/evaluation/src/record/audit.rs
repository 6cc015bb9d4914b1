//! The audit of a record.

use cni_attacks::Passes;
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// The audit of a record: the attack that its checks are about, and how it was audited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// The name of the audited attack, as in the attacks of the record.
    pub attack: String,
    /// The attack of the record that contains the audited one; absent if it is an attack of the
    /// record itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// The settings of the audited attack in the suite.
    pub spec: Value,
    /// The SHA-256 of these settings.
    pub hash: String,
    /// The number of draws over which each gradient was averaged during the audit. One for a model
    /// without noise, whatever the settings say.
    pub draws: usize,
    /// The key of the audit's random numbers.
    pub key: Key,
    /// The radius of the attack's threat, in units of the pixel range.
    pub epsilon: f64,
    /// The effort of the audit.
    #[schemars(with = "String")]
    pub effort: Effort,
    /// The largest number of examples that any check used, from the first of the data.
    pub examples: usize,
    /// The cost of the results that several checks share, which is in the cost of none of them.
    /// Absent in records of earlier versions of the library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedCost>,
}

/// The cost of the results of an audit that several checks share: the clean images judged, the
/// audited attack and the stronger attacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SharedCost {
    /// The cost, in passes of single images.
    pub passes: Passes,
    /// The time in seconds.
    pub seconds: f64,
}

/// The effort of an audit: its cost, and the smallest difference of accuracies that it can see.
///
/// The examples are the first of those given. Each check gets the number that it needs to see the
/// difference that its rule names, as far as the budget goes, the cheapest checks first. A check
/// that gets too few says how many it needs. The times are those of a ResNet-20 on 32 × 32 pixels,
/// on two cores of a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Differences of 3 points, up to 320 examples: at most five minutes for a model without noise
    /// under PGD-20, and at most a quarter of an hour for one with noise under EOT-PGD-20x20.
    #[default]
    Quick,
    /// Differences of 2 points, up to 640 examples: six times as long as `Quick`.
    Standard,
    /// Differences of 1 point, up to 2,000 examples and 10,000 random points: forty times as long
    /// as `Quick`.
    Thorough,
}

/// The error for a text that names no effort.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("effort: got {0:?}, wanted quick, standard or thorough")]
pub struct ParseEffortError(String);

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Thorough => "thorough",
        })
    }
}

impl FromStr for Effort {
    type Err = ParseEffortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Quick, Self::Standard, Self::Thorough];
        let named = all.into_iter().find(|effort| effort.to_string() == text);
        named.ok_or_else(|| ParseEffortError(text.to_string()))
    }
}
