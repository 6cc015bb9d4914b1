use crate::step::{Losses, Step};
use crate::{Objective, StepError, TrainingError};
use cni_attacks::Attack;
use serde_json::Value;
use std::sync::Arc;

/// A rule that gives the loss of each example of a batch.
///
/// Built-in objectives and custom ones implement it alike. It is a pure function of the step: what
/// changes from step to step is the batch, and all randomness comes from the keys of the step. Only
/// a rule that [has a memory](Self::has_memory) goes on from the step before.
///
/// ```
/// use burn::tensor::activation::log_softmax;
/// use cni_training::{Losses, ObjectiveRule, Step, StepError};
/// use serde_json::{Value, json};
///
/// /// Cross-entropy against labels of which a share is spread over all classes.
/// struct LabelSmoothing {
///     smoothing: f64,
/// }
///
/// impl ObjectiveRule for LabelSmoothing {
///     fn spec(&self) -> Value {
///         json!({ "objective": "label_smoothing", "smoothing": self.smoothing })
///     }
///
///     fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
///         let logits = step.logits("clean", step.batch().images.clone());
///         let uniform = -log_softmax(logits.clone(), 1).mean_dim(1).squeeze_dim::<1>(1);
///         let hits = step.hits(logits.clone());
///         let loss = step.cross_entropy(logits).mul_scalar(1.0 - self.smoothing)
///             + uniform.mul_scalar(self.smoothing);
///         Ok(Losses::new(loss).with_score("clean", hits))
///     }
/// }
/// ```
pub trait ObjectiveRule: Send + Sync {
    /// All settings, as a JSON object whose entry `objective` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// The loss of each example, `[batch]` on the tape, and scores.
    ///
    /// # Errors
    ///
    /// Those of an attack, or of the rule: [`StepError::custom`].
    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError>;

    /// The names of its scores other than `clean`, `robust` and `robust_loss`.
    fn scores(&self) -> Vec<String> {
        Vec::new()
    }

    /// The attacks that it makes, so that a run can check that they suit the model.
    fn attacks(&self) -> Vec<&dyn Attack> {
        Vec::new()
    }

    /// The training passes of each image, forward and backward, besides those of the attacks.
    fn passes(&self) -> u64 {
        1
    }

    /// The forward passes of each image that none goes back through, besides those of the attacks,
    /// such as one for the labels that an attack leads away from.
    fn forward_passes(&self) -> u64 {
        0
    }

    /// The same objective with another attack in place of the one that it makes, for runs that
    /// [fall back](crate::Remedy::FallBack) to it. `None` if it has none to replace.
    fn with_attack(&self, _attack: Arc<dyn Attack>) -> Option<Objective> {
        None
    }

    /// True if it keeps something from step to step, by [`Step::recall`] and [`Step::remember`].
    /// Such a run has one device, no accumulation, and no gradient rule but the backward pass.
    fn has_memory(&self) -> bool {
        false
    }

    /// Checks the settings for a run of so many epochs.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range, or without an effect.
    fn check(&self, _epochs: usize) -> Result<(), TrainingError> {
        Ok(())
    }
}
