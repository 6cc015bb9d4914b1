//! The gradient rules: how a loss becomes a gradient.
//!
//! A new built-in rule is one file here, and one row in [`BUILT_IN`].

mod awp;
mod clip;
mod per_example;
mod rule;

pub use awp::Awp;
pub use clip::clip_by_norm;
pub use per_example::PerExampleClip;
pub use rule::GradientRule;

use crate::{Objective, TrainingError};
use cni_attacks::Passes;
use cni_data::slots::{Load, check_spec, custom_or_built_in, load, named_spec, rule_name};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The way from a loss to a gradient: the backward pass, [`Awp`], or a custom [`GradientRule`].
///
/// As JSON it is the rule's `spec`. A custom rule can be written and not read back.
#[derive(Clone, Default)]
pub struct Gradient(Option<Arc<dyn GradientRule>>);

/// The name of the backward pass.
const BACKWARD: &str = "backward";

/// The built-in rules by name, and how they are read.
const BUILT_IN: &[(&str, Load<Gradient>)] = &[
    (BACKWARD, |_| Ok(Gradient::backward())),
    (Awp::NAME, load::<Awp, _>),
    (PerExampleClip::NAME, load::<PerExampleClip, _>),
];

impl Gradient {
    /// The backward pass of the mean loss over the batch.
    pub fn backward() -> Self {
        Self(None)
    }

    /// The gradient at weights that are perturbed against the model, by a share `gamma` of each
    /// tensor's norm: [`Awp`], which has settings.
    pub fn awp(gamma: f64) -> Self {
        Awp::new(gamma).into()
    }

    /// The mean over the batch of the gradients of single examples, each clipped to this norm over
    /// all parameters: [`PerExampleClip`].
    pub fn per_example_clip(max_norm: f64) -> Self {
        PerExampleClip::new(max_norm).into()
    }

    /// The rule; `None` for the backward pass alone.
    pub(crate) fn rule(&self) -> Option<&dyn GradientRule> {
        self.0.as_deref()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.rule().map_or_else(|| named_spec("gradient", BACKWARD, ()), GradientRule::spec)
    }

    pub(crate) fn label(&self) -> String {
        format!("gradient rule {}", rule_name("gradient", &self.spec()))
    }

    pub(crate) fn is_additive(&self) -> bool {
        self.rule().is_none_or(GradientRule::is_additive)
    }

    pub(crate) fn separates_examples(&self) -> bool {
        self.rule().is_some_and(GradientRule::separates_examples)
    }

    pub(crate) fn bounds_examples(&self) -> bool {
        self.rule().is_some_and(GradientRule::bounds_examples)
    }

    /// The passes of each image in a step.
    pub(crate) fn cost(&self, objective: &Objective, classes: usize, stochastic: bool) -> Passes {
        let extra = self.rule().map(|rule| rule.extra_passes(objective)).unwrap_or_default();
        objective.cost(classes, stochastic) + extra
    }

    /// The names of the scores that the rule adds.
    pub(crate) fn scores(&self) -> Vec<String> {
        self.rule().map(GradientRule::scores).unwrap_or_default()
    }

    pub(crate) fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_spec("gradient", &self.spec())?;
        let Some(rule) = self.rule() else { return Ok(()) };
        let checked = rule.check().and_then(|()| match rule.first_epoch() {
            first if first < epochs => Ok(()),
            first => {
                let got = format!("{first} of {epochs} epochs");
                Err(TrainingError::setting("start_epoch", got, "an epoch of the run"))
            }
        });
        checked.map_err(|error| error.of(|| self.label()))
    }
}

impl<R: GradientRule + 'static> From<R> for Gradient {
    fn from(rule: R) -> Self {
        Self(Some(Arc::new(rule)))
    }
}

impl Serialize for Gradient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Gradient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        custom_or_built_in("gradient", BUILT_IN, Gradient::spec, spec).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Gradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gradient({})", self.spec())
    }
}
