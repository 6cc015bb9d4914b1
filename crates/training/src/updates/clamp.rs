use super::UpdateRule;
use crate::parameters::ParameterValues;
use crate::state::RuleState;
use crate::step::StepInfo;
use crate::{StepError, TrainingError};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Keeps the weights of a group of parameters within bounds after every step, as BinaryConnect does
/// with ±1 (Courbariaux et al., arXiv 1511.00363, section 2.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clamp {
    /// The name of the group.
    pub group: String,
    /// The smallest weight.
    pub min: f64,
    /// The largest weight.
    pub max: f64,
}

impl Clamp {
    pub(super) const NAME: &str = "clamp";
}

impl UpdateRule for Clamp {
    fn spec(&self) -> Value {
        named_spec("update", Self::NAME, self)
    }

    fn after(
        &self,
        weights: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        let within = weights.filter(|parameter| parameter.is_in(&self.group));
        Ok(within.map(|_, weight| weight.clamp(self.min, self.max)))
    }

    fn groups(&self) -> Vec<String> {
        vec![self.group.clone()]
    }

    fn check(&self) -> Result<(), TrainingError> {
        for (field, bound) in [("min", self.min), ("max", self.max)] {
            if !bound.is_finite() {
                return Err(TrainingError::setting(field, bound, "a finite number"));
            }
        }
        if self.min < self.max {
            return Ok(());
        }
        let got = format!("{} with max {}", self.min, self.max);
        Err(TrainingError::setting("min", got, "a number below max"))
    }
}
