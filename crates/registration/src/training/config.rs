use super::RegistrationTrainer;
use crate::RegistrationError;
use crate::adversary::{AdversarialLoss, DiscriminatorConfig};
use crate::error::{at_least, not_negative, positive};
use crate::losses::{MultiScaleDice, Penalty};
use burn::config::Config;
use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, nearest_name};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::path::Path;

/// An optimizer: Burn's Adam at a constant learning rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimization {
    /// Adam with its settings.
    #[serde(deserialize_with = "read_adam")]
    pub adam: AdamConfig,
    /// The learning rate, above 0.
    pub learning_rate: f64,
}

impl Optimization {
    /// Burn's Adam with its default settings.
    pub fn adam(learning_rate: f64) -> Self {
        Self { adam: AdamConfig::new(), learning_rate }
    }
}

/// Reads Burn's settings of Adam, which ignore unknown fields themselves.
fn read_adam<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AdamConfig, D::Error> {
    let given = Value::deserialize(deserializer)?;
    let adam = AdamConfig::deserialize(&given).map_err(de::Error::custom)?;
    let written = serde_json::to_value(&adam).map_err(de::Error::custom)?;
    match unknown("", &given, &written) {
        Some(reason) => Err(de::Error::custom(reason)),
        None => Ok(adam),
    }
}

/// The reason why a field of `given` is refused; `None` if all of them are among those written.
fn unknown(within: &str, given: &Value, written: &Value) -> Option<String> {
    let (given, written) = (given.as_object()?, written.as_object()?);
    given.iter().find_map(|(field, value)| match written.get(field) {
        Some(written) => unknown(&format!("{within}{field}."), value, written),
        None => {
            let known: Vec<&str> = written.keys().map(String::as_str).collect();
            let hint = nearest_name(field, known.iter().copied());
            let hint = hint.map_or(String::new(), |name| format!("; the nearest is {name}"));
            let known = known.join(", ");
            Some(format!(
                "{within}{field}: got {value}, but there is no such setting, wanted one of \
                 {known}{hint}"
            ))
        }
    })
}

/// A penalty on rough fields with its weight in the objective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedPenalty {
    /// The penalty.
    pub penalty: Penalty,
    /// Its weight, at least 0. label-reg's bending energy has 0.5.
    pub weight: f64,
}

/// The adversary of a training.
///
/// The published study gives none of these settings; the defaults are this library's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversaryConfig {
    /// The discriminator.
    pub discriminator: DiscriminatorConfig,
    /// The losses of both sides.
    pub loss: AdversarialLoss,
    /// The weight of the adversarial loss in the network's objective, at least 0.
    pub weight: f64,
    /// The discriminator's optimizer.
    pub optimization: Optimization,
    /// Updates of the discriminator before each one of the network, at least 1.
    pub updates: usize,
}

impl AdversaryConfig {
    /// An adversary by the non-saturating loss: Adam at 10⁻³ with a first momentum of 0.5, as
    /// customary for adversaries, and one update a step.
    pub fn new(discriminator: DiscriminatorConfig, weight: f64) -> Self {
        let adam = AdamConfig::new().with_beta_1(0.5);
        Self {
            discriminator,
            loss: AdversarialLoss::NonSaturating,
            weight,
            optimization: Optimization { adam, learning_rate: 1e-3 },
            updates: 1,
        }
    }

    fn check(&self) -> Result<(), RegistrationError> {
        self.loss.check()?;
        not_negative("adversary.weight", self.weight)?;
        positive("adversary.learning_rate", self.optimization.learning_rate)?;
        at_least("adversary.updates", self.updates, 1).map(|_| ())
    }
}

/// Configures a training: [`RegistrationTrainer`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationConfig {
    /// Examples in a batch, at least 1.
    pub batch_size: usize,
    /// The similarity of the fixed label and the warped moving one.
    #[serde(default)]
    pub similarity: MultiScaleDice,
    /// A penalty on rough fields.
    #[serde(default)]
    pub penalty: Option<WeightedPenalty>,
    /// An adversary on the fields.
    #[serde(default)]
    pub adversary: Option<AdversaryConfig>,
    /// The network's optimizer.
    pub optimization: Optimization,
    /// The key of everything that is drawn.
    pub key: Key,
}

impl Config for RegistrationConfig {}

impl RegistrationConfig {
    /// Training by labels alone: batches of 4, label-reg's multi-scale Dice, and Adam at 10⁻³,
    /// where label-reg has 10⁻⁵.
    pub fn new(key: Key) -> Self {
        Self {
            batch_size: 4,
            similarity: MultiScaleDice::default(),
            penalty: None,
            adversary: None,
            optimization: Optimization::adam(1e-3),
            key,
        }
    }

    /// The same with a penalty on rough fields.
    pub fn with_penalty(mut self, penalty: Penalty, weight: f64) -> Self {
        self.penalty = Some(WeightedPenalty { penalty, weight });
        self
    }

    /// The same with an adversary on the fields.
    pub fn with_adversary(mut self, adversary: AdversaryConfig) -> Self {
        self.adversary = Some(adversary);
        self
    }

    pub(super) fn check(&self) -> Result<(), RegistrationError> {
        at_least("batch_size", self.batch_size, 1)?;
        self.similarity.check()?;
        if let Some(penalty) = &self.penalty {
            not_negative("penalty.weight", penalty.weight)?;
        }
        positive("learning_rate", self.optimization.learning_rate)?;
        self.adversary.as_ref().map_or(Ok(()), AdversaryConfig::check)
    }

    /// A trainer of a network, before its first step. `forward` predicts the field from the
    /// network, the moving and the fixed images:
    /// [`LocalNet::forward`](crate::networks::LocalNet::forward), or a function that
    /// [integrates](crate::fields::integrate) what the network gives.
    ///
    /// The network's device is `device`. Its weights, and the key for those of the discriminator,
    /// are all that the training begins with.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] and [`RegistrationError::Value`] for settings out of their
    /// range, and those of [`DiscriminatorConfig::try_init`].
    pub fn init<M, F, const R: usize>(
        &self,
        network: M,
        forward: F,
        device: &Device,
    ) -> Result<RegistrationTrainer<M, F, R>, RegistrationError>
    where
        M: Module,
        F: Fn(&M, Tensor<R>, Tensor<R>) -> Result<Tensor<R>, RegistrationError>,
    {
        RegistrationTrainer::new(self.clone(), network, forward, device)
    }

    /// A trainer that goes on from a checkpoint of [`RegistrationTrainer::save`]. The network has
    /// the structure of the one saved; its weights are replaced.
    ///
    /// # Errors
    ///
    /// Those of [`init`](Self::init); [`RegistrationError::File`] and [`RegistrationError::Record`]
    /// for a checkpoint that cannot be read or is of another network;
    /// [`RegistrationError::Checkpoint`] for one of another configuration.
    pub fn resume<M, F, const R: usize>(
        &self,
        network: M,
        forward: F,
        device: &Device,
        checkpoint: impl AsRef<Path>,
    ) -> Result<RegistrationTrainer<M, F, R>, RegistrationError>
    where
        M: Module,
        F: Fn(&M, Tensor<R>, Tensor<R>) -> Result<Tensor<R>, RegistrationError>,
    {
        self.init(network, forward, device)?.restored(checkpoint.as_ref())
    }
}
