use super::adversarial::{LabelledAttack, labelled_attack_setters};
use super::clean::Clean;
use super::targets::{Targets, target_setters};
use super::{Objective, ObjectiveRule};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use cni_attacks::Attack;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Cross-entropy on adversarial images alone (Madry et al., arXiv 1706.06083, equation 2.1).
///
/// The attack sees the model as at inference, its noise on. With an attack of one or two steps it
/// is fast adversarial training: [`Pgd::random_fgsm`](cni_attacks::Pgd::random_fgsm) (FGSM-RS,
/// arXiv 2001.03994), [`Pgd::n_fgsm`](cni_attacks::Pgd::n_fgsm) (arXiv 2202.01181),
/// [`Pgd::two_steps`](cni_attacks::Pgd::two_steps).
#[derive(Clone, Serialize, Deserialize)]
pub struct Madry {
    #[serde(flatten)]
    attack: LabelledAttack,
    #[serde(flatten)]
    targets: Targets,
}

impl Madry {
    pub(super) const NAME: &str = "madry";

    /// Adversarial images from the first epoch on, away from the labels of the data.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self { attack: LabelledAttack::new(attack), targets: Targets::default() }
    }

    labelled_attack_setters!(attack);

    target_setters!(targets);
}

impl ObjectiveRule for Madry {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        match self.attack.of.is_active(step) {
            true => self.attack.pass(step, &self.targets),
            false => Ok(Clean::pass(step, &self.targets)),
        }
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.of.attack.as_ref()]
    }

    fn forward_passes(&self) -> u64 {
        self.attack.forward_passes()
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack: self.attack.replaced(attack), ..self.clone() }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        self.targets.check()?;
        self.attack.of.check(epochs)
    }
}
