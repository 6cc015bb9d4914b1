use crate::{Objective, Schedule, Sgd, TrainingError};
use cni_attacks::Attack;
use cni_data::Augment;
use cni_noise::Key;
use cni_ops::Precision;
use serde_json::{Value, json};
use std::sync::Arc;

/// Everything a run is a function of, besides the model and the data.
#[derive(Clone)]
pub struct TrainingConfig {
    /// Number of epochs.
    pub epochs: usize,
    /// Examples of a batch.
    pub batch_size: usize,
    /// What a step minimises.
    pub objective: Objective,
    /// The optimizer.
    pub optimizer: Sgd,
    /// The learning rate.
    pub schedule: Schedule,
    /// How training images are augmented.
    pub augment: Augment,
    /// The attack that measures robust accuracy on the validation set after every epoch.
    pub validation_attack: Option<Arc<dyn Attack>>,
    /// Draws of the model's noise that each validation example is judged by, the same in every
    /// epoch: the best checkpoint is chosen by the mean over them. A model without noise is judged
    /// once.
    pub validation_draws: usize,
    /// The element type in which convolutions and linear layers multiply, in attacks and in
    /// training alike; validation judges what the attack has found in full precision. It reaches
    /// the layers of this library and models built on them; parameters, gradients and all else stay
    /// in full precision.
    pub precision: Precision,
    /// The key of data order, augmentation, attacks and noise.
    pub key: Key,
    /// How many of the last checkpoints to keep; the best stays in any case.
    pub keep: usize,
}

impl TrainingConfig {
    /// Batches of 128, SGD with Nesterov momentum 0.9 and weight decay 5e-4 except on noise, a
    /// cosine from 0.1, no augmentation, no attack on the validation set, and 5 draws there of the
    /// noise that a model may have.
    pub fn new(epochs: usize, objective: Objective) -> Self {
        let optimizer = Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4, ..Sgd::default() };
        Self {
            epochs,
            batch_size: 128,
            objective,
            optimizer,
            schedule: Schedule::cosine(0.1),
            augment: Augment::default(),
            validation_attack: None,
            validation_draws: 5,
            precision: Precision::Full,
            key: Key::new(0),
            keep: 2,
        }
    }

    /// The recipe of CNI's code: batches of 256, 400 epochs, rate 0.1 divided by ten after 100, 200
    /// and 300, weight decay 1e-4 on everything, gradients clipped to the norm 0.05 when training
    /// is adversarial, crops and flips.
    pub fn cni(objective: Objective) -> Self {
        let clip = objective.attack().map(|_| 0.05);
        Self {
            batch_size: 256,
            optimizer: Sgd { clip, ..Sgd::cni() },
            schedule: Schedule::multi_step(0.1, &[100, 200, 300]),
            augment: Augment::cifar(),
            objective,
            ..Self::new(400, Objective::clean())
        }
    }

    pub(crate) fn validation_attack(&self) -> Option<&dyn Attack> {
        self.validation_attack.as_deref()
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        for (field, got) in [
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("validation_draws", self.validation_draws),
            ("keep", self.keep),
        ] {
            if got == 0 {
                return Err(TrainingError::setting(field, 0, "at least 1"));
            }
        }
        self.optimizer.check()?;
        self.objective.check(self.epochs)?;
        self.schedule.check()
    }

    /// What two runs must share for one to continue the other. How many checkpoints are kept does
    /// not matter.
    pub(crate) fn spec(&self) -> Value {
        json!({
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "objective": self.objective.spec(),
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "augment": self.augment,
            "validation_attack": self.validation_attack.as_ref().map(|attack| attack.spec()),
            "validation_draws": self.validation_draws,
            "precision": self.precision,
            "key": self.key,
        })
    }
}
