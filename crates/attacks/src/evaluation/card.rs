//! What was evaluated, on what, against whom: the part of a record that is no measurement.

use crate::{Access, Attack, Threat};
use cni_noise::NoiseCovariance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was evaluated on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataCard {
    /// The name of the data set and its part.
    pub name: String,
    /// A hash of its pixels and labels; empty where none was given.
    pub fingerprint: String,
    /// The names of the classes, in the order of the labels; empty where none were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// What was evaluated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelCard {
    /// A name for tables.
    pub name: String,
    /// Number of learnable parameters.
    pub parameters: usize,
    /// The noise it carries, in words.
    pub noise: String,
    /// The element type that it multiplies in, where that is not its parameters' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The noise that each of its layers has learned; empty where it has none or it was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<NoiseCovariance>,
    /// The epochs it was trained for, in their order; empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Epoch>,
}

/// One epoch of a model's training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// What was measured, by name, such as `validation robust`. Accuracies are fractions.
    pub scores: BTreeMap<String, f64>,
    /// The learned amplitude of the noise after the epoch, by the path of its layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise: BTreeMap<String, f64>,
}

/// Who the model was judged against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreatCard {
    /// The balls that the attacks stay in, each once.
    pub threats: Vec<Threat>,
    /// What the attacker wants.
    pub goal: String,
    /// Where pixels lie.
    pub domain: String,
    /// What the attacks ask of the model, each once.
    pub access: Vec<Access>,
    /// What the attacker knows of the model's noise.
    pub noise: String,
}

/// What the attacker wants, and where pixels lie, in every evaluation so far.
pub(super) const GOAL: &str = "any class but the true one";
pub(super) const DOMAIN: &str = "[0, 1]";

impl ThreatCard {
    /// The card of a suite, whose attacks all want any class but the true one.
    pub(super) fn of<'a>(suite: impl Iterator<Item = &'a dyn Attack>, stochastic: bool) -> Self {
        let (mut threats, mut access) = (Vec::new(), Vec::new());
        for attack in suite {
            if !threats.contains(&attack.threat()) {
                threats.push(attack.threat());
            }
            if !access.contains(&attack.access()) {
                access.push(attack.access());
            }
        }
        let noise = match stochastic {
            true => {
                "drawn anew for every query; the attacker knows its law and may average over draws, and does not know the \
                 draws that judge"
            }
            false => "none",
        };
        Self {
            threats,
            goal: GOAL.to_string(),
            domain: DOMAIN.to_string(),
            access,
            noise: noise.to_string(),
        }
    }
}
