//! The weights behind the signs.

use super::numbers;
use crate::NoiseError;
use crate::parameters::{Found, Parameter, VisitParameter, visit_parameters};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// The parameters of a module whose signs its layers read, in the order of the module.
///
/// A trainer takes them as a group, for what treats them apart: the clamp, an optimizer without
/// weight decay.
///
/// ```
/// # use burn::{nn::conv::Conv2dConfig, tensor::Device};
/// use cni_layers::binary::{BinaryConv2dConfig, latent_weights};
/// let layer = BinaryConv2dConfig::new(Conv2dConfig::new([3, 8], [3, 3])).init(&Device::flex());
/// assert_eq!(latent_weights(&layer)[0].path, "conv.weight");
/// ```
pub fn latent_weights<M: Module>(model: &M) -> Vec<Parameter> {
    let mut found = Found::of(model);
    let signs = std::mem::take(&mut found.signs);
    found.parameters.retain(|found| signs.iter().any(|(path, _)| *path == found.path));
    found.parameters
}

/// Refuses latent weights that no gradient reaches, those beyond the clip of their quantizer, or at
/// ±1 and beyond for [`ApproxSign`](super::Quantizer::ApproxSign): such
/// a weight never changes its sign again, unless something else than a gradient moves it.
///
/// # Errors
///
/// [`NoiseError::Latent`] with the first parameter that has such weights.
pub fn check_latent<M: Module>(model: &M) -> Result<(), NoiseError> {
    let mut check = Check { signs: Found::of(model).signs, result: Ok(()) };
    visit_parameters(model, &mut check);
    check.result
}

struct Check {
    signs: Vec<(String, Option<f64>)>,
    result: Result<(), NoiseError>,
}

impl VisitParameter for Check {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let Some((_, Some(reach))) = self.signs.iter().find(|(of, _)| of == path) else { return };
        if self.result.is_err() {
            return;
        }
        // A clip is compared in single precision, as the gradient's mask compares it.
        let beyond = |size: &f32| size.is_nan() || *size > *reach as f32;
        let sizes = numbers(param.base()).into_iter().map(f32::abs);
        let beyond: Vec<f32> = sizes.filter(beyond).collect();
        let larger = |a: f32, b: f32| if b.is_nan() || b > a { b } else { a };
        if let Some(largest) = beyond.iter().copied().reduce(larger) {
            let (name, count) = (path.to_string(), beyond.len());
            let (largest, reach) = (largest.into(), *reach);
            self.result = Err(NoiseError::Latent { name, count, largest, reach });
        }
    }
}
