//! What was evaluated, on what, against whom: the part of a record that is no measurement.

use crate::NoiseCovariance;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use cni_attacks::{Access, Attack, Threat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What was evaluated on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataCard {
    /// The name of the data set.
    pub name: String,
    /// A hash of its pixels and labels; where none was given, an evaluation computes one for its
    /// record. Records of an earlier version may lack it: two of these are not compared.
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
    /// A hash of its parameters, as [`ModelCard::fingerprint_of`] computes it; empty where none was
    /// given. Saved state of an evaluation is taken up again by a model of the same fingerprint
    /// alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Number of learnable parameters.
    pub parameters: usize,
    /// The noise it carries, in words.
    pub noise: String,
    /// What it was trained against, which need not be what it is judged by. Absent where it was
    /// trained on clean images, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_against: Option<Threat>,
    /// The element type that it multiplies in, where that is not its parameters' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The noise that each of its layers has learned; empty where it has none or it was not looked
    /// at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<NoiseCovariance>,
    /// The epochs it was trained for, in their order; empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Epoch>,
}

impl ModelCard {
    /// The SHA-256 of all that a module holds, running statistics and the parameters of noise
    /// included: names, shapes and values.
    ///
    /// Equal fingerprints are equal weights. They say nothing of what the forward pass does with
    /// them.
    ///
    /// ```
    /// # use burn::{nn::LinearConfig, tensor::Device};
    /// use cni_evaluation::ModelCard;
    /// let model = LinearConfig::new(3, 2).init(&Device::flex());
    /// assert_eq!(ModelCard::fingerprint_of(&model), ModelCard::fingerprint_of(&model.clone()));
    /// ```
    pub fn fingerprint_of<M: Module>(module: &M) -> String {
        let mut walk = Walk { hash: Sha256::new(), path: Vec::new() };
        module.visit(&mut walk);
        walk.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Hashes what it meets.
struct Walk {
    hash: Sha256,
    path: Vec<String>,
}

impl Walk {
    fn add(&mut self, data: &TensorData) {
        let about = format!("{} {:?} {:?}\n", self.path.join("."), data.shape(), data.dtype());
        self.hash.update(about.as_bytes());
        self.hash.update(data.as_bytes());
    }
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // The weight itself, not what noise makes of it.
        self.add(&param.base().to_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(&param.val().to_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(&param.val().to_data());
    }
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
pub(crate) const GOAL: &str = "any class but the true one";
pub(crate) const DOMAIN: &str = "[0, 1]";

impl ThreatCard {
    /// The card of a suite, whose attacks all want any class but the true one.
    pub(crate) fn of<'a>(suite: impl Iterator<Item = &'a dyn Attack>, stochastic: bool) -> Self {
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
