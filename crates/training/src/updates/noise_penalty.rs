use super::UpdateRule;
use super::noise_floor::with_size;
use crate::parameters::{AMPLITUDE_GROUP, ParameterValues};
use crate::state::RuleState;
use crate::step::StepInfo;
use crate::{StepError, TrainingError};
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A penalty of `weight · Σ √|a|` over the amplitudes `a` of a model's noise: a negative weight
/// keeps the noise up, a positive one down. Learn2Perturb (Jeddi et al., CVPR 2020) has the weight
/// -1e-4, fading.
///
/// It is decoupled: after the optimizer each `a` takes the step `rate · weight / (2 √|a|)` towards
/// zero, no further than zero, at the run's learning rate, with neither momentum nor clipping.
/// Below an `|a|` of 0.01, Learn2Perturb's least, the step is that of 0.01.
///
/// Amplitudes are the parameters in the group `amplitudes`: `alpha` of white noise, `diagonal` of
/// colored noise, a variance, so that the penalty is linear in the standard deviation, and `excess`
/// of multiplicative noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisePenalty {
    /// The weight, any number but 0.
    pub weight: f64,
    /// True if the weight of epoch `t`, counted from 1, is divided by `1 + 1/2 + .. + 1/t`.
    #[serde(default)]
    pub fade: bool,
}

impl NoisePenalty {
    pub(super) const NAME: &str = "noise_penalty";

    /// The least amplitude that the slope is taken at.
    const LEAST: f64 = 0.01;

    /// That of Learn2Perturb: up by 1e-4, fading.
    pub const fn learn2perturb() -> Self {
        Self { weight: -1e-4, fade: true }
    }
}

impl UpdateRule for NoisePenalty {
    fn spec(&self) -> Value {
        named_spec("update", Self::NAME, self)
    }

    fn after(
        &self,
        weights: ParameterValues,
        info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        let harmonic = match self.fade {
            true => (1..=info.epoch + 1).map(|t| 1.0 / t as f64).sum(),
            false => 1.0,
        };
        let step = 0.5 * info.lr * self.weight / harmonic;
        let amplitudes = weights.filter(|parameter| parameter.is_in(AMPLITUDE_GROUP));
        Ok(amplitudes.map(|_, value| {
            with_size(value, |size| {
                let root = size.clone().clamp_min(Self::LEAST).sqrt();
                (size - root.recip().mul_scalar(step)).clamp_min(0.0)
            })
        }))
    }

    fn groups(&self) -> Vec<String> {
        vec![AMPLITUDE_GROUP.to_string()]
    }

    fn check(&self) -> Result<(), TrainingError> {
        if self.weight.is_finite() && self.weight != 0.0 {
            return Ok(());
        }
        Err(TrainingError::setting("weight", self.weight, "a finite number other than 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise_floor::tests::after;
    use super::*;
    use cni_layers::Granularity;
    use cni_noise::laws::White;

    /// `a ∓ rate · weight / (2 √|a|)`, at the rate 0.1 and at most by the slope at 0.01.
    #[test]
    fn the_noise_is_pushed_by_the_slope_of_the_root() {
        let law = || White::new(Granularity::Element);
        let values = [0.25, -0.04, 0.0, 0.0025];
        let cases = [
            (NoisePenalty { weight: 0.2, fade: false }, 0, [0.23, 0.0, 0.0, 0.0]),
            (NoisePenalty { weight: -0.2, fade: false }, 2, [0.27, -0.09, 0.1, 0.1025]),
            // 1 + 1/2 + 1/3.
            (NoisePenalty { weight: -11.0 / 30.0, fade: true }, 2, [0.27, -0.09, 0.1, 0.1025]),
        ];
        for (rule, epoch, wanted) in cases {
            let found = after(&rule, law(), values, epoch);
            for (got, wanted) in found[0].1.iter().zip(wanted) {
                assert!((got - wanted).abs() < 1e-6, "{rule:?}: {found:?}");
            }
        }
        assert!(NoisePenalty::learn2perturb().check().is_ok());
    }
}
