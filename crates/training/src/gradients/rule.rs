use crate::parameters::ParameterValues;
use crate::state::RuleState;
use crate::step::{Step, StepGradients, StepInfo};
use crate::{Objective, StepError, TrainingError};
use cni_attacks::Passes;
use serde_json::Value;

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

    /// True if what an example adds to the gradient must not depend on the other examples in any
    /// way, as the sensitivity of a private gradient wants it. Then a run refuses layers whose
    /// draws for an example depend on the others, such as `Dropout`, and a model, an attack or an
    /// objective by which an example's gradient does.
    fn bounds_examples(&self) -> bool {
        false
    }

    /// The passes of each image in a step beside those of the backward pass, which evaluates the
    /// objective once: for [`TrainingConfig::passes`](crate::TrainingConfig::passes).
    fn extra_passes(&self, _objective: &Objective) -> Passes {
        Passes::default()
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
