//! Cards: the model, the data and the attacker of a record, which are not measured.

use crate::NoiseCovariance;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use cni_attacks::{Access, Attack, Threat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The card of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataCard {
    /// The name of the data set.
    pub name: String,
    /// The fingerprint, a hash of its pixels and labels. If none was given, the evaluation computes
    /// a SHA-256. Records of an earlier version may lack it; two such records cannot be compared.
    pub fingerprint: String,
    /// The names of the classes, in the order of the labels; empty if none were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// The card of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelCard {
    /// The name of the model, for tables.
    pub name: String,
    /// The fingerprint, a hash of its parameters as [`ModelCard::fingerprint_of`] computes it;
    /// empty if none was given. The saved state of an evaluation is used again only for a model of
    /// the same fingerprint.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The number of learnable parameters.
    pub parameters: usize,
    /// The noise of the model, in words.
    pub noise: String,
    /// The configuration of the model, which says what the parameters do not: strides, activations,
    /// bands. Absent if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// The threat that the model was trained against, which may differ from the one that judges it.
    /// Absent if it was trained on clean images, or if that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_against: Option<Threat>,
    /// The element type in which it multiplies when it is judged, such as `bf16`, if it is not that
    /// of its parameters. The evaluation sets it to its
    /// [judging precision](crate::Evaluation::with_judging_precision) if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The learned noise of each layer; empty if the model has none or it was not examined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<NoiseCovariance>,
    /// The epochs of its training, in order; empty if they are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Epoch>,
}

impl ModelCard {
    /// The fingerprint of a module: the SHA-256 of the names, shapes and values of all its
    /// parameters, including running statistics and parameters of the noise.
    ///
    /// Equal fingerprints mean equal weights. They say nothing about what the forward pass does
    /// with them.
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

/// A visitor that hashes what it meets.
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
        // The weight itself, without its noise.
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
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// The scores after the epoch, by name, such as `validation robust`. Accuracies are in [0, 1].
    pub scores: BTreeMap<String, f64>,
    /// The learned amplitude of the noise after the epoch, by the path of its layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise: BTreeMap<String, f64>,
    /// What happened in the epoch, in words, such as that the training fell back to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The card of the attacker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreatCard {
    /// The threats of the attacks, each once.
    pub threats: Vec<Threat>,
    /// The goal of the attacker.
    pub goal: String,
    /// The range of pixels.
    pub domain: String,
    /// The access to the model that the attacks need, each kind once.
    pub access: Vec<Access>,
    /// The attacker's knowledge of the model's noise.
    pub noise: String,
    /// The element type in which the model multiplies under the attacks, `full` for that of its
    /// parameters; absent if it is that of judging, which the model's card states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
}

/// The goal of the attacker in every evaluation.
pub(crate) const GOAL: &str = "any class but the true one";
pub(crate) const DOMAIN: &str = "[0, 1]";

impl ThreatCard {
    /// The card of the attacker who runs a suite. All attacks aim at any class but the true one.
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
                "drawn anew for every query; the attacker knows its law and may average over \
                 draws, and does not know the draws that judge"
            }
            false => "none",
        };
        Self {
            threats,
            goal: GOAL.to_string(),
            domain: DOMAIN.to_string(),
            access,
            noise: noise.to_string(),
            precision: None,
        }
    }
}
