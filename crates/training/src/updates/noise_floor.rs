use super::UpdateRule;
use crate::parameters::{AMPLITUDE_GROUP, ParameterValues};
use crate::state::RuleState;
use crate::step::StepInfo;
use crate::{StepError, TrainingError};
use burn::tensor::Tensor;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Keeps the noise of a model from vanishing: after every step an amplitude nearer to zero than
/// `min` becomes `min`, with its sign; zero becomes `min` itself. The bound of CTRW on its scale
/// (Ma, Dong and Xu, NeurIPS 2023), for the noise of any law.
///
/// Amplitudes are the parameters in the group `amplitudes`: `alpha` of white noise, `diagonal` of
/// colored noise, which is a variance and whose low-rank factor stays free, and `excess` of
/// multiplicative noise, which has a floor of its own below that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseFloor {
    /// The least absolute value, above 0, in the parameter's own unit.
    pub min: f64,
}

impl NoiseFloor {
    pub(super) const NAME: &str = "noise_floor";
}

impl UpdateRule for NoiseFloor {
    fn spec(&self) -> Value {
        named_spec("update", Self::NAME, self)
    }

    fn after(
        &self,
        weights: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        let amplitudes = weights.filter(|parameter| parameter.is_in(AMPLITUDE_GROUP));
        Ok(amplitudes.map(|_, value| with_size(value, |size| size.clamp_min(self.min))))
    }

    fn groups(&self) -> Vec<String> {
        vec![AMPLITUDE_GROUP.to_string()]
    }

    fn check(&self) -> Result<(), TrainingError> {
        if self.min.is_finite() && self.min > 0.0 {
            return Ok(());
        }
        Err(TrainingError::setting("min", self.min, "a finite number above 0"))
    }
}

/// The values with another absolute value and their signs; that of zero is positive.
pub(super) fn with_size(values: Tensor<1>, size: impl FnOnce(Tensor<1>) -> Tensor<1>) -> Tensor<1> {
    let negative = values.clone().lower_elem(0.0);
    let size = size(values.abs());
    size.clone().mask_where(negative, -size)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::parameters::{Groups, MapFloat, map_floats};
    use burn::module::{Module, Param};
    use burn::tensor::Device;
    use cni_layers::{ActivationNoiseConfig, Granularity};
    use cni_noise::Key;
    use cni_noise::laws::{Multiplicative, NoiseKind, White};

    /// The parameters of noise on four features after a rule, from these values in each of them: by
    /// name, in the first step of an epoch, at the rate 0.1.
    pub fn after(
        rule: &impl UpdateRule,
        law: impl Into<NoiseKind>,
        values: [f32; 4],
        epoch: usize,
    ) -> Vec<(String, Vec<f32>)> {
        struct Set([f32; 4]);
        impl MapFloat for Set {
            fn map<const D: usize>(
                &mut self,
                _: &str,
                param: Param<Tensor<D>>,
            ) -> Param<Tensor<D>> {
                let values = Tensor::<1>::from_data(self.0, &param.lazy_device());
                param.map(|old| values.reshape(old.dims()))
            }
        }
        let noise = ActivationNoiseConfig::new(law).with_features([4]).init(&Device::flex()).noise;
        let noise = map_floats(noise, &mut Set(values)).train();
        let weights = ParameterValues::of_weights(&noise, &Groups::of(&noise));
        let key = Key::new(0);
        let info = StepInfo { key, epoch, step: 0, ends_epoch: false, examples: 1, lr: 0.1 };
        let after = rule.after(weights, &info, &mut RuleState::default()).unwrap();
        let read = |(parameter, value): (&crate::Parameter, &Tensor<1>)| {
            (parameter.path.clone(), value.try_to_vec_as().unwrap())
        };
        after.iter().map(read).collect()
    }

    #[test]
    fn amplitudes_below_the_floor_are_lifted_with_their_sign_and_nothing_else_is() {
        let floor = NoiseFloor { min: 0.25 };
        let values = [0.5, -0.125, 0.0, -0.75];
        let lifted = vec![0.5, -0.25, 0.25, -0.75];
        let white = after(&floor, White::new(Granularity::Element), values, 0);
        assert_eq!(white, [("alpha".to_string(), lifted.clone())]);
        let multiplicative = Multiplicative::new(Granularity::Element, 0.1);
        let found = after(&floor, multiplicative, values, 0);
        assert_eq!(found, [("excess".to_string(), lifted)]);
    }
}
