//! The audit: what it is about, and how it is set.

use super::context::Surrogate;
use super::table::CHECKS;
use crate::EvaluationError;
use crate::record::Effort;
use cni_attacks::{Attack, AttackError, Classifier, at_least_one};
use cni_noise::Key;
use std::path::PathBuf;
use std::sync::Arc;

/// The audit of an attack, against the model on which it was used.
#[derive(Clone)]
pub struct Audit {
    pub(super) attack: Arc<dyn Attack>,
    pub(super) effort: Effort,
    pub(super) key: Key,
    pub(super) judging_draws: usize,
    pub(super) chunk: usize,
    pub(super) surrogate: Option<Surrogate>,
    pub(super) only: Option<Vec<String>>,
    pub(super) state: Option<PathBuf>,
}

impl Audit {
    /// An audit of `attack`: quick, of all checks, with key `Key::new(0)`, 20 judging draws, and
    /// chunks of 128 images.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self {
            attack: Arc::new(attack),
            effort: Effort::default(),
            key: Key::new(0),
            judging_draws: 20,
            chunk: 128,
            surrogate: None,
            only: None,
            state: None,
        }
    }

    /// The names of all checks, in their order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CHECKS.iter().map(|entry| entry.name)
    }

    /// How much to spend.
    pub fn with_effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// The key from which all random numbers and draws derive.
    pub fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The number of draws of the model's noise by which images are judged, as many as the audited
    /// evaluation takes; an error if it is zero.
    pub fn with_judging_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { judging_draws: at_least_one("judging_draws", draws)?, ..self })
    }

    /// The number of images at once, which bounds the memory; an error if it is zero.
    pub fn with_chunk(self, chunk: usize) -> Result<Self, AttackError> {
        Ok(Self { chunk: at_least_one("chunk", chunk)?, ..self })
    }

    /// A model without noise, for the same images and classes, whose adversarial images are tried
    /// on the audited model.
    ///
    /// Without it a noisy model is its own surrogate, with its noise off; for a model without noise
    /// that check is skipped.
    pub fn with_surrogate(
        self,
        name: impl Into<String>,
        classifier: Arc<dyn Classifier + Send + Sync>,
    ) -> Self {
        Self { surrogate: Some(Surrogate { name: name.into(), classifier }), ..self }
    }

    /// Only the checks of these names, in the order of the table; an error if a name is unknown.
    pub fn with_checks(self, names: &[&str]) -> Result<Self, EvaluationError> {
        if let Some(unknown) = names.iter().find(|name| !Self::names().any(|known| known == **name))
        {
            let known = Self::names().collect::<Vec<_>>().join(", ");
            return Err(EvaluationError::UnknownCheck { got: unknown.to_string(), known });
        }
        Ok(Self { only: Some(names.iter().map(|name| name.to_string()).collect()), ..self })
    }

    /// Keeps each result in this folder once its check has ended. An audit that was killed
    /// continues from there when it is started again with the same attack, effort, key, model and
    /// data.
    pub fn with_state(self, folder: impl Into<PathBuf>) -> Self {
        Self { state: Some(folder.into()), ..self }
    }

    /// The attack under audit.
    pub fn attack(&self) -> &Arc<dyn Attack> {
        &self.attack
    }

    /// How much is spent.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The key from which all random numbers and draws derive.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The same checks of another attack.
    pub(crate) fn with_attack(self, attack: Arc<dyn Attack>) -> Self {
        Self { attack, ..self }
    }

    /// The names of the checks that are asked for, in their order.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &'static str> {
        self.entries().into_iter().map(|entry| entry.name)
    }
}
