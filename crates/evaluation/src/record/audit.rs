//! The audit behind a record.

use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

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
    /// Draws that each gradient averaged over under audit. One for a model without noise, whatever
    /// the settings.
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

/// The effort of an audit: how much it spends, and how small a difference of accuracies it can see.
///
/// Examples are the first of those given. Each check gets as many as it takes to see the difference
/// that its rule names, as far as the budget goes, the cheapest checks first; a check that gets too
/// few says how many it would need. The times are those of a ResNet-20 on 32 × 32 pixels, on two
/// cores of a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Differences of 3 points, up to 320 examples: at most five minutes for a model without noise
    /// under PGD-20, and a quarter of an hour for one with noise under EOT-PGD-20x20.
    #[default]
    Quick,
    /// Differences of 2 points, up to 640 examples: six times as long.
    Standard,
    /// Differences of 1 point, up to 2,000 examples: forty times as long, 10,000 random points.
    Thorough,
}

/// The error of a text that names no effort.
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
