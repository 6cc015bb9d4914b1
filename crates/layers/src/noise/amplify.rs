//! Learned noise made larger or smaller.

use super::LearnedNoise;
use crate::NoiseError;
use crate::parameters::{AtPlace, Found, Place, map_parameters};
use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use cni_noise::laws::LawError;
use std::collections::HashMap;

/// The module with all its learned noise `factor` times as large: 0 silences it, 1 leaves it as it
/// is. Covariances grow by the square of `factor`, and means, weights and draws stay.
///
/// It changes the parameters of the noise, by the powers that its law names
/// ([`NoiseLaw::degree`](cni_noise::laws::NoiseLaw::degree)).
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_layers::{WeightNoise, amplify_noise, noise_amplitudes};
/// let model = WeightNoise::colored(5).inject(LinearConfig::new(8, 4).init(&Device::flex()));
/// let louder = amplify_noise(model, 2.0)?;
/// assert_eq!(noise_amplitudes(&louder), [("weight".to_string(), 0.5)]); // CNI begins with 0.25
/// # Ok::<(), cni_layers::NoiseError>(())
/// ```
///
/// # Errors
///
/// [`NoiseError`] for a factor below 0 or one that is not finite, and for noise of a law that names
/// no power, such as multiplicative noise with a floor.
pub fn amplify_noise<M: Module>(model: M, factor: f64) -> Result<M, NoiseError> {
    if !(factor.is_finite() && factor >= 0.0) {
        let wanted = "a finite number of at least 0";
        return Err(NoiseError::Model { field: "factor", got: factor.to_string(), wanted });
    }
    let found = Found::of(&model);
    let mut factors = HashMap::new();
    for parameter in &found.parameters {
        let Some((owner, field)) = parameter.of_noise() else { continue };
        let noise = found.noise.iter().find(|(path, ..)| *path == owner);
        let law = &noise.expect("the walk meets noise before its parameters").1.law;
        let degree = match field {
            LearnedNoise::FACTOR => Some(1),
            vector => law.degree(vector),
        };
        let Some(degree) = degree else {
            let wanted = "one whose noise grows by powers of its parameters";
            let error = LawError::new("law", law.name(), wanted);
            return Err(NoiseError::Law { name: owner.to_string(), error });
        };
        factors.insert(parameter.id, factor.powi(degree));
    }
    Ok(map_parameters(model, Multiply(factors)))
}

/// Multiplies the parameters of these ids.
struct Multiply(HashMap<ParamId, f64>);

impl AtPlace for Multiply {
    fn map<const D: usize>(&mut self, _: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(&factor) = self.0.get(&param.id) else {
            return param;
        };
        let tracked = param.is_require_grad();
        param.map(|old| {
            let new = old.clone().inner().mul_scalar(factor);
            if old.is_autodiff() { new.autodiff().set_require_grad(tracked) } else { new }
        })
    }
}
