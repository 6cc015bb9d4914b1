//! The objectives: how a batch becomes a loss of each example.
//!
//! A new built-in objective is one file here, and one row in [`BUILT_IN`].

mod adversarial;
mod clean;
mod elle;
mod epsilon_ramp;
mod free;
mod half_and_half;
mod madry;
mod mart;
mod rotation;
mod rule;
mod targets;
#[cfg(test)]
mod tests;
mod trades;

pub use adversarial::AttackLabels;
pub(crate) use adversarial::{read_attack, write_attack};
pub use clean::Clean;
pub use elle::Elle;
pub use epsilon_ramp::EpsilonRamp;
pub use free::Free;
pub use half_and_half::HalfAndHalf;
pub use madry::Madry;
pub use mart::Mart;
pub use rotation::Rotation;
pub use rule::ObjectiveRule;
pub use targets::LabelNoise;
pub use trades::Trades;

use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use cni_attacks::{Attack, Passes, Threat};
use cni_data::slots::{Load, check_spec, custom_or_built_in, load, rule_name};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The loss that a training step minimises: a built-in objective, or a custom [`ObjectiveRule`].
///
/// As JSON it is the rule's `spec`. A custom rule can be written and not read back.
#[derive(Clone)]
pub struct Objective(Arc<dyn ObjectiveRule>);

/// The built-in objectives by name, and how they are read.
const BUILT_IN: &[(&str, Load<Objective>)] = &[
    (Clean::NAME, load::<Clean, _>),
    (Madry::NAME, load::<Madry, _>),
    (HalfAndHalf::NAME, load::<HalfAndHalf, _>),
    (Trades::NAME, load::<Trades, _>),
    (Mart::NAME, load::<Mart, _>),
    (Elle::NAME, load::<Elle, _>),
    (Free::NAME, load::<Free, _>),
];

impl Objective {
    /// Cross-entropy on the images as they are: [`Clean`], which has settings.
    pub fn clean() -> Self {
        Clean::new().into()
    }

    /// Cross-entropy on adversarial images alone: [`Madry`], which has settings.
    pub fn madry(attack: impl Attack + 'static) -> Self {
        Madry::new(attack).into()
    }

    /// Half the cross-entropy on clean images and half that on adversarial ones, as in PNI and CNI:
    /// [`HalfAndHalf`], which has settings.
    pub fn half_and_half(attack: impl Attack + 'static) -> Self {
        HalfAndHalf::new(attack).into()
    }

    /// The cross-entropy on clean images and six times the divergence of the predictions on
    /// adversarial ones: [`Trades`], which has settings.
    pub fn trades(attack: impl Attack + 'static) -> Self {
        Trades::new(attack).into()
    }

    /// The boosted cross-entropy on adversarial images and a divergence weighted by doubt:
    /// [`Mart`], which has settings.
    pub fn mart(attack: impl Attack + 'static) -> Self {
        Mart::new(attack).into()
    }

    /// Cross-entropy on adversarial images, and a penalty on its curvature: [`Elle`], which has
    /// settings.
    pub fn elle(attack: impl Attack + 'static) -> Self {
        Elle::new(attack).into()
    }

    /// Cross-entropy on images that the backward pass of each step moves on: [`Free`], which has
    /// settings.
    pub fn free(threat: Threat) -> Self {
        Free::new(threat).into()
    }

    /// The first attack that the objective makes.
    pub fn attack(&self) -> Option<&dyn Attack> {
        self.0.attacks().into_iter().next()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.0.spec()
    }

    /// The loss of each example of a step, and scores.
    ///
    /// # Errors
    ///
    /// Those of the rule, and [`StepError::Contract`] for losses or scores that are not one for
    /// each example, and for a score that the rule does not declare.
    pub fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let images = &step.batch().images;
        let losses = self.0.losses(step)?;
        if images.is_autodiff() && !losses.loss().is_autodiff() {
            let got = "a tensor without the tape";
            return Err(StepError::contract(&self.label(), "loss", got, "one on the tape"));
        }
        losses.check(&self.label(), images.dims()[0], &self.scores())
    }

    /// The names of all scores that a step can have.
    pub(crate) fn scores(&self) -> Vec<String> {
        let mut names = [CLEAN, ROBUST, ROBUST_LOSS].map(String::from).to_vec();
        names.extend(self.0.scores());
        names
    }

    /// The name in errors.
    pub(crate) fn label(&self) -> String {
        format!("objective {}", rule_name("objective", &self.0.spec()))
    }

    pub(crate) fn has_memory(&self) -> bool {
        self.0.has_memory()
    }

    pub(crate) fn attacks(&self) -> Vec<&dyn Attack> {
        self.0.attacks()
    }

    /// The passes of each image where the losses are evaluated and differentiated once, without
    /// those of the attacks, which a step makes once.
    pub fn passes_of_losses(&self) -> Passes {
        let backwards = self.0.passes();
        Passes { forwards: backwards + self.0.forward_passes(), backwards }
    }

    /// The passes of each image in a step of the backward pass, for a model of so many classes with
    /// noise or without. An attack without a bound on its passes counts none.
    pub(crate) fn cost(&self, classes: usize, stochastic: bool) -> Passes {
        let attacks = self.attacks().into_iter();
        let attacks = attacks.filter_map(|attack| attack.cost(classes, stochastic));
        attacks.chain([self.passes_of_losses()]).sum()
    }

    /// The same objective with another attack; `None` if it has none to replace.
    pub fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Self> {
        self.0.with_attack(attack)
    }

    /// Checks the settings for a run of so many epochs, as a [`Trainer`](crate::Trainer) does.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range, and for a rule without a name.
    pub fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_spec("objective", &self.0.spec())?;
        self.0.check(epochs).map_err(|error| error.of(|| self.label()))
    }
}

/// A weight of a term, unless it is not finite or not above 0.
fn check_above_zero(field: &str, got: f64) -> Result<f64, TrainingError> {
    match got.is_finite() && got > 0.0 {
        true => Ok(got),
        false => Err(TrainingError::setting(field, got, "a finite number above 0")),
    }
}

/// The score of clean images.
pub(crate) const CLEAN: &str = "clean";
/// The score of adversarial images.
pub(crate) const ROBUST: &str = "robust";
/// The cross-entropy on adversarial images, whatever the objective makes of it.
pub(crate) const ROBUST_LOSS: &str = "robust_loss";

impl<R: ObjectiveRule + 'static> From<R> for Objective {
    fn from(rule: R) -> Self {
        Self(Arc::new(rule))
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        custom_or_built_in("objective", BUILT_IN, Objective::spec, spec).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objective({})", self.spec())
    }
}
