//! The configuration of a run.

mod attack;
mod check;
mod defaults;

use crate::updates::{By, Optimizer, ParameterGroup, Schedule, Sgd, Update};
use crate::{Average, EarlyStopping, Gradient, Objective, OverfittingWatch, TrainingError};
use cni_attacks::Attack;
use cni_data::{Augmentation, Sampler};
use cni_noise::Key;
use cni_ops::Precision;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The configuration of a run: everything that it is a function of, besides the model and the data.
///
/// It is a value that is written and read back, so a recipe is a file. A run writes it to
/// `config.json`. An absent field has the default of [`new`](Self::new); `epochs` and `objective`
/// must be there, and an unknown field is refused.
///
/// ```
/// use cni_training::TrainingConfig;
/// let recipe = r#"{
///     "epochs": 30,
///     "objective": {
///         "objective": "madry",
///         "attack": { "attack": "pgd", "threat": { "norm": "linf", "epsilon": 0.03 }, "steps": 2 }
///     },
///     "optimizer": { "optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4 },
///     "schedule": { "cosine": { "lr": 0.1, "min_lr": 0.0, "by": "step" } }
/// }"#;
/// let config: TrainingConfig = serde_json::from_str(recipe)?;
/// assert_eq!(config.batch_size, 128);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Number of epochs.
    pub epochs: usize,
    /// Examples of a batch.
    #[serde(default = "defaults::batch_size")]
    pub batch_size: usize,
    /// The choice of the examples of each batch.
    #[serde(default)]
    pub sampler: Sampler,
    /// Parts of each batch that are trained on one after the other, to save memory. The gradient is
    /// that of the whole batch, so that a model that looks at each example alone trains as with one
    /// part, up to rounding. Batch norm sees the parts.
    #[serde(default = "defaults::one")]
    pub accumulation: usize,
    /// The most examples of such a part, if there is a limit: a larger batch is cut into more
    /// parts. It bounds the memory of a step where batches are of a random size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// The loss that a step minimises.
    pub objective: Objective,
    /// The rule by which the loss becomes a gradient.
    #[serde(default)]
    pub gradient: Gradient,
    /// The largest norm of the gradient over all parameters together, as `clip_grad_norm_`.
    #[serde(default)]
    pub max_grad_norm: Option<f64>,
    /// The optimizer.
    #[serde(default = "defaults::optimizer")]
    pub optimizer: Optimizer,
    /// Groups of parameters with settings of their own.
    #[serde(default)]
    pub groups: Vec<ParameterGroup>,
    /// The learning rate.
    #[serde(default = "defaults::schedule")]
    pub schedule: Schedule,
    /// The rules that follow the optimizer, in this order.
    #[serde(default)]
    pub updates: Vec<Update>,
    /// The average of the weights, if any: it is what the run validates and returns.
    #[serde(default)]
    pub average: Option<Average>,
    /// The augmentations of training images, in this order.
    #[serde(default)]
    pub augment: Vec<Augmentation>,
    /// The attack that measures robust accuracy on the validation set after every epoch.
    #[serde(default, serialize_with = "attack::write", deserialize_with = "attack::read")]
    pub validation_attack: Option<Arc<dyn Attack>>,
    /// Draws of the model's noise that each validation example is judged by, the same in every
    /// epoch: the best checkpoint is chosen by the mean over them. A model without noise is judged
    /// once.
    #[serde(default = "defaults::validation_draws")]
    pub validation_draws: usize,
    /// When a run ends before its last epoch, if ever.
    #[serde(default)]
    pub early_stopping: Option<EarlyStopping>,
    /// The watch for catastrophic overfitting, and what the run does against it, if anything.
    #[serde(default)]
    pub overfitting: Option<OverfittingWatch>,
    /// The element type in which convolutions and linear layers multiply, in attacks and in
    /// training alike; validation judges what the attack has found in full precision. It reaches
    /// the layers of this library and models built on them; parameters, gradients and all else stay
    /// in full precision.
    #[serde(default = "defaults::precision")]
    pub precision: Precision,
    /// The key of data order, augmentation, attacks and noise. A file may give a seed.
    #[serde(default = "defaults::key")]
    pub key: Key,
    /// The number of the last checkpoints to keep; the best stays in any case.
    #[serde(default = "defaults::keep_last")]
    pub keep_last: usize,
}

impl TrainingConfig {
    /// Batches of 128 in a new random order each epoch, SGD with Nesterov momentum 0.9 and weight
    /// decay 5e-4 except on noise, a cosine from 0.1, no augmentation, no attack on the validation
    /// set, and 5 draws there of the noise that a model may have.
    pub fn new(epochs: usize, objective: impl Into<Objective>) -> Self {
        Self {
            epochs,
            batch_size: defaults::batch_size(),
            sampler: Sampler::default(),
            accumulation: defaults::one(),
            micro_batch: None,
            objective: objective.into(),
            gradient: Gradient::backward(),
            max_grad_norm: None,
            optimizer: defaults::optimizer(),
            groups: Vec::new(),
            schedule: defaults::schedule(),
            updates: Vec::new(),
            average: None,
            augment: Vec::new(),
            validation_attack: None,
            validation_draws: defaults::validation_draws(),
            early_stopping: None,
            overfitting: None,
            precision: defaults::precision(),
            key: defaults::key(),
            keep_last: defaults::keep_last(),
        }
    }

    /// The recipe of CNI's code: batches of 256, 400 epochs, rate 0.1 divided by ten after 100, 200
    /// and 300, weight decay 1e-4 on everything, gradients clipped to the norm 0.05 when training
    /// is adversarial, crops and flips.
    pub fn cni(objective: impl Into<Objective>) -> Self {
        let objective = objective.into();
        Self {
            batch_size: 256,
            max_grad_norm: objective.attack().map(|_| 0.05),
            optimizer: Sgd::cni().into(),
            schedule: Schedule::multi_step(0.1, &[100, 200, 300]).by(By::Epoch),
            augment: vec![Augmentation::cifar()],
            ..Self::new(400, objective)
        }
    }

    /// The configuration in a JSON file.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Checkpoint`] for a file that cannot be read or is no configuration.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainingError> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|error| TrainingError::io(path, error))?;
        let json = &mut serde_json::Deserializer::from_slice(&text);
        let config = serde_path_to_error::deserialize(&mut *json)
            .map_err(|error| TrainingError::config(path, "config", error))?;
        json.end().map_err(|error| TrainingError::config(path, "config", error))?;
        Ok(config)
    }

    /// Writes the configuration to a JSON file.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Checkpoint`] for a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TrainingError> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| TrainingError::config(path, "config", error))?;
        std::fs::write(path, text).map_err(|error| TrainingError::io(path, error))
    }

    /// The passes of each image in an epoch, forward and backward ones, of a model of so many
    /// classes with noise or without: what the cost of a training is measured in. Before an attack
    /// or a gradient rule begins an epoch takes fewer. What follows the steps of an epoch, such as
    /// validation, does not count.
    pub fn passes(&self, classes: usize, stochastic: bool) -> u64 {
        let step = self.gradient.cost(&self.objective, classes, stochastic);
        self.sampler.times() * (step.forwards + step.backwards)
    }

    /// What two runs must share for one to continue the other. How many checkpoints are kept does
    /// not matter.
    ///
    /// # Errors
    ///
    /// A configuration without a JSON form.
    pub(crate) fn spec(&self) -> Result<Value, TrainingError> {
        let mut spec = serde_json::to_value(self)
            .map_err(|error| TrainingError::setting("config", error, "values with a JSON form"))?;
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("keep_last");
        }
        Ok(spec)
    }
}

impl fmt::Debug for TrainingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrainingConfig({})", serde_json::to_value(self).unwrap_or_default())
    }
}
