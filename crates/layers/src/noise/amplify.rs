//! Learned noise made larger or smaller.

use super::{LearnedNoise, Spec};
use crate::NoiseError;
use crate::parameters::{AtPlace, Place, map_parameters};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
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
    let mut degrees = Degrees::default();
    model.visit(&mut degrees);
    if let Some((name, law)) = degrees.unknown {
        let error = LawError::new("law", law, "one whose noise grows by powers of its parameters");
        return Err(NoiseError::Law { name, error });
    }
    let factors = degrees.known.into_iter().map(|(id, degree)| (id, factor.powi(degree)));
    Ok(map_parameters(model, Multiply(factors.collect())))
}

/// The power of each parameter of noise, by its id.
#[derive(Default)]
struct Degrees {
    path: Vec<String>,
    /// The noise at hand: the path of its tensor, and its law.
    noise: Option<(String, Spec)>,
    container: String,
    known: HashMap<ParamId, i32>,
    /// The first noise that has none: the path of its tensor, and the name of its law.
    unknown: Option<(String, String)>,
}

impl ModuleVisitor for Degrees {
    fn enter_module(&mut self, name: &str, container: &str) {
        if let Some(spec) = Spec::heard(container) {
            self.noise = Some((Spec::owner(&self.path), spec));
        }
        self.path.push(name.to_string());
        self.container = container.to_string();
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (LearnedNoise::CONTAINER, Some((owner, spec))) = (&*self.container, &self.noise) else {
            return;
        };
        let field = self.path.last().map_or("", String::as_str);
        let degree = match field {
            LearnedNoise::FACTOR => Some(1),
            vector => spec.law.degree(vector),
        };
        match degree {
            Some(degree) => {
                self.known.insert(param.id, degree);
            }
            None => {
                self.unknown.get_or_insert_with(|| (owner.clone(), spec.law.name()));
            }
        }
    }
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
