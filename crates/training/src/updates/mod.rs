//! The update of a step: the optimizer with its learning rate, and the rules that follow it.
//!
//! A new built-in update rule is one file here, and one row in [`BUILT_IN`].

mod clamp;
mod custom_schedule;
mod group;
mod linear;
mod noise_floor;
mod noise_penalty;
mod optimizer;
mod schedule;
mod schedule_defaults;
mod schedule_ranges;
mod scheduler;
mod sgd;

pub use clamp::Clamp;
pub use custom_schedule::{By, CustomSchedule};
pub use group::ParameterGroup;
pub(crate) use group::paths as group_paths;
pub use noise_floor::NoiseFloor;
pub use noise_penalty::NoisePenalty;
pub use optimizer::{CustomOptimizer, Optimizer};
pub use schedule::Schedule;
pub use scheduler::Scheduler;
pub use sgd::Sgd;

use crate::parameters::{Groups, ParameterValues, WEIGHT_GROUP};
use crate::state::RuleState;
use crate::step::StepInfo;
use crate::{StepError, TrainingError};
use cni_data::slots::{Load, check_spec, custom_or_built_in, load, rule_name};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A rule that changes the weights after each optimizer step.
///
/// ```
/// use cni_training::{ParameterValues, RuleState, StepError, StepInfo, UpdateRule};
/// use serde_json::{Value, json};
///
/// /// Keeps the norm of each weight matrix at most `max`.
/// struct MaxNorm {
///     max: f64,
/// }
///
/// impl UpdateRule for MaxNorm {
///     fn spec(&self) -> Value {
///         json!({ "update": "max_norm", "max": self.max })
///     }
///
///     fn after(
///         &self,
///         weights: ParameterValues,
///         _info: &StepInfo,
///         _state: &mut RuleState,
///     ) -> Result<ParameterValues, StepError> {
///         let matrices = weights.filter(|parameter| parameter.shape.len() >= 2);
///         Ok(matrices.map(|_, weight| {
///             let norm = weight.clone().square().sum().sqrt();
///             let scale = norm.add_scalar(1e-12).recip().mul_scalar(self.max).clamp_max(1.0);
///             weight * scale
///         }))
///     }
/// }
/// ```
pub trait UpdateRule: Send + Sync {
    /// All settings, as a JSON object whose entry `update` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// The weights that change, from the trainable weights after the optimizer. A parameter that is
    /// left out stays as it is.
    ///
    /// # Errors
    ///
    /// Those of the rule: [`StepError::custom`].
    fn after(
        &self,
        weights: ParameterValues,
        info: &StepInfo,
        state: &mut RuleState,
    ) -> Result<ParameterValues, StepError>;

    /// The names of the groups of parameters that the rule asks for.
    fn groups(&self) -> Vec<String> {
        Vec::new()
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range.
    fn check(&self) -> Result<(), TrainingError> {
        Ok(())
    }
}

/// A change after an optimizer step: a built-in rule, or a custom [`UpdateRule`].
///
/// As JSON it is the rule's `spec`. A custom rule can be written and not read back.
#[derive(Clone)]
pub struct Update(Arc<dyn UpdateRule>);

/// The built-in rules by name, and how they are read.
const BUILT_IN: &[(&str, Load<Update>)] = &[
    (Clamp::NAME, load::<Clamp, _>),
    (NoiseFloor::NAME, load::<NoiseFloor, _>),
    (NoisePenalty::NAME, load::<NoisePenalty, _>),
];

impl Update {
    /// Keeps the weights of a group of parameters within bounds: [`Clamp`].
    pub fn clamp(group: impl Into<String>, min: f64, max: f64) -> Self {
        Clamp { group: group.into(), min, max }.into()
    }

    /// Keeps every weight of convolutions and linear layers within `[-max, max]`, and leaves
    /// biases, norms and noise alone: [`Clamp`] of the group `weights`.
    pub fn weight_clip(max: f64) -> Self {
        Self::clamp(WEIGHT_GROUP, -max, max)
    }

    /// Keeps the amplitudes of noise at this absolute value or above: [`NoiseFloor`].
    pub fn noise_floor(min: f64) -> Self {
        NoiseFloor { min }.into()
    }

    /// Pushes the amplitudes of noise down, or up by a negative weight: [`NoisePenalty`].
    pub fn noise_penalty(weight: f64) -> Self {
        NoisePenalty { weight, fade: false }.into()
    }

    pub(crate) fn rule(&self) -> &dyn UpdateRule {
        self.0.as_ref()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.0.spec()
    }

    pub(crate) fn label(&self) -> String {
        format!("update rule {}", rule_name("update", &self.spec()))
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        check_spec("update", &self.spec())?;
        self.0.check().map_err(|error| error.of(|| self.label()))
    }

    pub(crate) fn check_groups(&self, groups: &Groups) -> Result<(), TrainingError> {
        for name in self.0.groups() {
            group::check_known(&name, groups)?;
            if groups.paths(&name).is_none_or(|paths| paths.is_empty()) {
                let got = format!("{name} without a parameter, for the {}", self.label());
                let wanted = "a model with parameters in the group, such as one with noise";
                return Err(TrainingError::setting("group", got, wanted));
            }
        }
        Ok(())
    }
}

impl<R: UpdateRule + 'static> From<R> for Update {
    fn from(rule: R) -> Self {
        Self(Arc::new(rule))
    }
}

impl Serialize for Update {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Update {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        custom_or_built_in("update", BUILT_IN, Update::spec, spec).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Update({})", self.spec())
    }
}
