//! What a training step minimises.

use crate::TrainingError;
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackError, Classifier, Loss};
use cni_data::Batch;
use cni_noise::{Key, Noise, scope_at};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Which labels the attack on a training batch moves away from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// The labels of the data: CNI's code.
    #[default]
    True,
    /// The model's own predictions, so that the attack does not leak the label (Kurakin et al.,
    /// ICLR 2017): PNI's code.
    Predicted,
}

/// Training on adversarial images: the attack, and how an [`Objective`] uses it.
#[derive(Clone)]
pub struct Adversarial {
    attack: Arc<dyn Attack>,
    /// Weight of the loss on clean images.
    clean_weight: f64,
    /// Weight of the loss on adversarial images.
    adversarial_weight: f64,
    /// First epoch, from 0, that trains on adversarial images; before it the loss is the clean one
    /// alone.
    start_epoch: usize,
    labels: Labels,
}

impl Adversarial {
    /// `½ CE(clean) + ½ CE(adversarial)` from the first epoch on, away from the labels of the data.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self {
            attack: Arc::new(attack),
            clean_weight: 0.5,
            adversarial_weight: 0.5,
            start_epoch: 0,
            labels: Labels::True,
        }
    }

    /// Sets the weights of the clean and the adversarial loss.
    ///
    /// # Errors
    ///
    /// Where one is negative or not finite, or both are zero.
    pub fn with_weights(mut self, clean: f64, adversarial: f64) -> Result<Self, TrainingError> {
        let fine = |weight: f64| weight.is_finite() && weight >= 0.0;
        if !(fine(clean) && fine(adversarial) && clean + adversarial > 0.0) {
            let got = format!("{clean}, {adversarial}");
            let wanted = "finite weights of at least 0, not both 0";
            return Err(TrainingError::setting("weights", got, wanted));
        }
        (self.clean_weight, self.adversarial_weight) = (clean, adversarial);
        Ok(self)
    }

    /// Trains on clean images alone before this epoch, counted from 0. PNI's code: 5.
    pub fn with_start_epoch(mut self, epoch: usize) -> Self {
        self.start_epoch = epoch;
        self
    }

    /// Sets the labels that the attack moves away from.
    pub fn with_labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }
}

impl<A: Attack + 'static> From<A> for Adversarial {
    fn from(attack: A) -> Self {
        Self::new(attack)
    }
}

/// What a training step minimises: cross-entropy on clean images, on adversarial ones, or a
/// mixture.
#[derive(Clone)]
pub struct Objective {
    adversarial: Option<Adversarial>,
}

impl Objective {
    /// Cross-entropy on the images as they are.
    pub fn clean() -> Self {
        Self { adversarial: None }
    }

    /// Cross-entropy on clean and adversarial images, as in PNI and CNI: two forward passes with
    /// independent noise. The attack sees the model as at inference, its noise on.
    ///
    /// Takes an attack, or an [`Adversarial`] with settings of its own.
    pub fn adversarial(adversarial: impl Into<Adversarial>) -> Self {
        Self { adversarial: Some(adversarial.into()) }
    }

    /// The attack, where there is one.
    pub fn attack(&self) -> Option<&dyn Attack> {
        self.adversarial.as_ref().map(|part| part.attack.as_ref())
    }

    /// Whether a run of this many epochs comes to use it.
    pub(crate) fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        match &self.adversarial {
            Some(part) if part.start_epoch >= epochs => {
                let got = format!("{} of {epochs} epochs", part.start_epoch);
                let wanted = "an epoch of the run, or a clean objective";
                Err(TrainingError::setting("start_epoch", got, wanted))
            }
            _ => Ok(()),
        }
    }

    /// All settings, for records.
    pub fn spec(&self) -> serde_json::Value {
        match &self.adversarial {
            None => serde_json::json!({ "objective": "clean" }),
            Some(part) => serde_json::json!({
                "objective": "adversarial",
                "attack": part.attack.spec(),
                "clean_weight": part.clean_weight,
                "adversarial_weight": part.adversarial_weight,
                "start_epoch": part.start_epoch,
                "labels": part.labels,
            }),
        }
    }

    /// The loss of a batch and how it was classified.
    ///
    /// `model` trains; `frozen` is its snapshot for the attack. The forward passes run under the
    /// noise of keys derived from the batch's.
    pub(crate) fn step(
        &self,
        model: impl Fn(Tensor<4>) -> Tensor<2>,
        frozen: impl FnOnce() -> Box<dyn Classifier>,
        batch: &Batch,
    ) -> Result<Losses, AttackError> {
        let pass = |images: Tensor<4>, name: &str| {
            let noise = Noise::Keyed(batch.key.named(name));
            let logits = scope_at(noise, batch.first_example, || model(images));
            let loss = Loss::CrossEntropy.per_example(logits.clone(), &batch.labels);
            (loss, hits(logits.inner(), &batch.labels))
        };
        let active = self.adversarial.as_ref().filter(|part| batch.epoch >= part.start_epoch);
        let Some(part) = active else {
            let (loss, clean) = pass(batch.images.clone(), "clean");
            return Ok(Losses { loss, clean: Some(clean), robust: None });
        };
        let images = part.perturb(frozen().as_ref(), batch)?;
        // The batch lives on the autodiff device, which tells batch norm that this is training.
        let (adversarial, robust) = pass(images.autodiff(), "adversarial");
        let adversarial = adversarial.mul_scalar(part.adversarial_weight);
        if part.clean_weight == 0.0 {
            return Ok(Losses { loss: adversarial, clean: None, robust: Some(robust) });
        }
        let (clean_loss, clean) = pass(batch.images.clone(), "clean");
        let loss = clean_loss.mul_scalar(part.clean_weight) + adversarial;
        Ok(Losses { loss, clean: Some(clean), robust: Some(robust) })
    }
}

impl Adversarial {
    fn perturb(&self, frozen: &dyn Classifier, batch: &Batch) -> Result<Tensor<4>, AttackError> {
        let labels = match self.labels {
            Labels::True => batch.labels.clone(),
            Labels::Predicted => {
                let noise = Noise::Keyed(batch.key.named("predict"));
                let plain = batch.images.clone().inner();
                scope_at(noise, batch.first_example, || frozen.logits(plain))
                    .argmax(1)
                    .squeeze_dim(1)
            }
        };
        perturb(self.attack.as_ref(), frozen, batch, labels)
    }
}

/// The adversarial images of a batch, under a key derived from the batch's.
pub(crate) fn perturb(
    attack: &dyn Attack,
    frozen: &dyn Classifier,
    batch: &Batch,
    labels: Tensor<1, Int>,
) -> Result<Tensor<4>, AttackError> {
    let key = attack_key(batch.key);
    let images = batch.images.clone().inner();
    Ok(attack
        .on(frozen)
        .with_key(key)
        .with_examples(batch.first_example)
        .perturb(images, labels)?
        .images)
}

fn attack_key(batch: Key) -> Key {
    batch.named("attack")
}

/// 1 where the largest logit is the label's, else 0: `[batch]`.
pub(crate) fn hits(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    logits.argmax(1).squeeze_dim::<1>(1).equal(labels.clone()).float()
}

/// What a step has to say of each example, `[batch]` each.
pub(crate) struct Losses {
    pub loss: Tensor<1>,
    pub clean: Option<Tensor<1>>,
    pub robust: Option<Tensor<1>>,
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objective({})", self.spec())
    }
}
