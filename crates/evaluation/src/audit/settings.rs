//! The settings of an audit.

use super::context::Surrogate;
use super::table::CHECKS;
use crate::EvaluationError;
use crate::record::Effort;
use cni_attacks::{Attack, AttackError, Classifier, at_least_one};
use cni_noise::Key;
use cni_ops::{Precision, current_precision};
use std::path::PathBuf;
use std::sync::Arc;

/// An audit of an attack, on the model against which the attack was used.
#[derive(Clone)]
pub struct Audit {
    pub(super) attack: Arc<dyn Attack>,
    pub(super) effort: Effort,
    pub(super) key: Key,
    pub(super) judging_draws: usize,
    /// The precision of its attacks; that of the caller if none is set.
    attack_precision: Option<Precision>,
    pub(super) chunk: usize,
    pub(super) surrogate: Option<Surrogate>,
    pub(super) only: Option<Vec<String>>,
    pub(super) state: Option<PathBuf>,
}

impl Audit {
    /// An audit of `attack`. By default its effort is quick, it runs all checks, its key is
    /// `Key::new(0)`, 20 draws judge, and it takes 128 images at once.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self::of(Arc::new(attack))
    }

    /// As [`new`](Self::new), of an attack whose type is known at run time only.
    pub fn of(attack: Arc<dyn Attack>) -> Self {
        Self {
            attack,
            effort: Effort::default(),
            key: Key::new(0),
            judging_draws: 20,
            attack_precision: None,
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

    /// Sets the effort: the cost, and the smallest difference that the checks can see.
    pub fn with_effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// Sets the key from which all random numbers and draws derive.
    pub fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// Sets the number of draws of the model's noise that judge images. It should be that of the
    /// evaluation whose attack is audited. An error if it is zero.
    pub fn with_judging_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { judging_draws: at_least_one("judging_draws", draws)?, ..self })
    }

    /// Sets the number of images at once, which bounds the memory; an error if it is zero.
    pub fn with_chunk(self, chunk: usize) -> Result<Self, AttackError> {
        Ok(Self { chunk: at_least_one("chunk", chunk)?, ..self })
    }

    /// Sets a surrogate: a model without noise, for the same images and classes. Its adversarial
    /// images are tried on the audited model by the check `transfer`.
    ///
    /// Without a surrogate, a model with noise is its own surrogate with its noise off, and for a
    /// model without noise the check is skipped.
    pub fn with_surrogate(
        self,
        name: impl Into<String>,
        classifier: Arc<dyn Classifier + Send + Sync>,
    ) -> Self {
        Self { surrogate: Some(Surrogate { name: name.into(), classifier }), ..self }
    }

    /// Runs only the checks with these names, in the order of the table; an error if a name is
    /// unknown.
    pub fn with_checks(self, names: &[&str]) -> Result<Self, EvaluationError> {
        if let Some(unknown) = names.iter().find(|name| !Self::names().any(|known| known == **name))
        {
            let known = Self::names().collect::<Vec<_>>().join(", ");
            return Err(EvaluationError::UnknownCheck { got: unknown.to_string(), known });
        }
        Ok(Self { only: Some(names.iter().map(|name| name.to_string()).collect()), ..self })
    }

    /// Keeps the result of each check in this folder. An audit that was killed continues from there
    /// when it is started again with the same attack, effort, key, model and data.
    pub fn with_state(self, folder: impl Into<PathBuf>) -> Self {
        Self { state: Some(folder.into()), ..self }
    }

    /// The attack that is audited.
    pub fn attack(&self) -> &Arc<dyn Attack> {
        &self.attack
    }

    /// The effort of the audit.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The key from which all random numbers and draws derive.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Refuses an attack within a ball in which there is nothing to check.
    pub(crate) fn check_radius(&self) -> Result<(), AttackError> {
        let got = self.attack.threat().epsilon();
        let wanted = match got {
            got if got.is_infinite() => {
                "a finite number: the checks compare what attacks find within a radius"
            }
            got if got > 0.0 => return Ok(()),
            _ => "above 0: there is nothing to check in a ball that holds the image alone",
        };
        Err(AttackError::Setting { field: "epsilon", got, wanted })
    }

    /// The same audit of another attack.
    pub(crate) fn with_attack(self, attack: Arc<dyn Attack>) -> Self {
        Self { attack, ..self }
    }

    /// Sets the precision in which the model multiplies while an attack runs. Everything else has
    /// that of the caller, as without this setting the attacks have.
    pub(crate) fn with_attack_precision(self, precision: Precision) -> Self {
        Self { attack_precision: Some(precision), ..self }
    }

    /// The precision of the attacks.
    pub(super) fn attack_precision(&self) -> Precision {
        self.attack_precision.unwrap_or_else(current_precision)
    }

    /// The names of the checks of this audit, in their order.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &'static str> {
        self.entries().into_iter().map(|entry| entry.name)
    }
}
