//! The gradient rules: how a loss becomes a gradient.
//!
//! A new built-in rule is one file here, and one row in [`BUILT_IN`].

mod awp;
mod clip;
mod per_example;

pub use awp::Awp;
pub use clip::clip_by_norm;
pub use per_example::PerExampleClip;

use crate::parameters::ParameterValues;
use crate::state::RuleState;
use crate::step::{Step, StepGradients, StepInfo};
use crate::{Objective, StepError, TrainingError};
use cni_data::slots::{Load, check_spec, custom_or_built_in, load, named_spec, rule_name};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A rule that gives the gradient of a step.
///
/// The two methods divide the work: [`gradients`](Self::gradients) sees the model and a batch, or a
/// share of one, and has no memory; [`finish`](Self::finish) sees the gradient of the whole batch,
/// once a step, and has a memory that checkpoints save.
///
/// ```
/// use cni_training::{
///     GradientRule, ParameterValues, RuleState, StepError, StepInfo, TrainingError,
/// };
/// use serde_json::{Value, json};
///
/// /// The sign of a running mean of the gradients (Bernstein et al., arXiv 1802.04434).
/// struct SignMomentum {
///     beta: f64,
/// }
///
/// impl GradientRule for SignMomentum {
///     fn spec(&self) -> Value {
///         json!({ "gradient": "sign_momentum", "beta": self.beta })
///     }
///
///     fn check(&self) -> Result<(), TrainingError> {
///         match (0.0..1.0).contains(&self.beta) {
///             true => Ok(()),
///             false => Err(TrainingError::setting("beta", self.beta, "a number in [0, 1)")),
///         }
///     }
///
///     fn is_additive(&self) -> bool {
///         true
///     }
///
///     fn finish(
///         &self,
///         gradients: ParameterValues,
///         _info: &StepInfo,
///         state: &mut RuleState,
///     ) -> Result<ParameterValues, StepError> {
///         Ok(gradients.map(|parameter, gradient| {
///             let mean = match state.tensor(&parameter.path) {
///                 Some(mean) => mean * self.beta + gradient * (1.0 - self.beta),
///                 None => gradient,
///             };
///             state.set_tensor(&parameter.path, mean.clone());
///             mean.sign()
///         }))
///     }
/// }
/// ```
pub trait GradientRule: Send + Sync {
    /// All settings, as a JSON object whose entry `gradient` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range.
    fn check(&self) -> Result<(), TrainingError> {
        Ok(())
    }

    /// The gradients of a step: by default the backward pass of the objective's mean loss.
    ///
    /// # Errors
    ///
    /// Those of the objective, or of the rule: [`StepError::custom`].
    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        Ok(step.backward(objective.losses(step)?))
    }

    /// True if the gradients of the parts of a batch, from [`gradients`](Self::gradients), add up
    /// to that of the whole. Only then can a run use several devices or accumulate gradients.
    fn is_additive(&self) -> bool {
        false
    }

    /// True if the rule looks at the gradient of each example alone. Then a run refuses a model
    /// with batch norm in training, which makes the loss of an example depend on the others.
    fn separates_examples(&self) -> bool {
        false
    }

    /// The first epoch, counted from 0, in which the rule does what sets it apart. A run that ends
    /// before it is refused.
    fn first_epoch(&self) -> usize {
        0
    }

    /// The names of the scores of each example that [`gradients`](Self::gradients) adds to those of
    /// the objective.
    fn scores(&self) -> Vec<String> {
        Vec::new()
    }

    /// Changes the gradient of the whole batch, before it is clipped. It must keep every parameter.
    ///
    /// A gradient that is not finite does not come here: it stops the run.
    ///
    /// # Errors
    ///
    /// Those of the rule: [`StepError::custom`].
    fn finish(
        &self,
        gradients: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        Ok(gradients)
    }
}

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
