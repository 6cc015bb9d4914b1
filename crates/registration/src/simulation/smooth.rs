use super::FieldSource;
use crate::RegistrationError;
use crate::axes::along_all;
use crate::error::{not_negative, positive};
use crate::fields::grid::{check_sizes, shape};
use crate::losses::{BlurKernel, check_sigma};
use burn::config::Config;
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use serde::{Deserialize, Serialize};

/// Smooth random fields: independent normal draws for each voxel and component, blurred by a
/// Gaussian. Every displacement has the same standard deviation, at the border too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmoothFields {
    /// The size of the fields.
    pub size: Vec<usize>,
    /// The standard deviation of the blur, in voxels, above 0, at most 10⁴.
    pub sigma: f64,
    /// The standard deviation of a component, in voxels, at least 0.
    pub amplitude: f64,
}

impl Config for SmoothFields {}

impl SmoothFields {
    /// Fields of a size.
    pub fn new(size: impl Into<Vec<usize>>, sigma: f64, amplitude: f64) -> Self {
        Self { size: size.into(), sigma, amplitude }
    }
}

impl<const R: usize> FieldSource<R> for SmoothFields {
    fn draw(
        &self,
        key: Key,
        count: usize,
        device: &Device,
    ) -> Result<Tensor<R>, RegistrationError> {
        check_sizes::<R>("size", &self.size, 1)?;
        check_sigma("sigma", positive("sigma", self.sigma)?)?;
        not_negative("amplitude", self.amplitude)?;
        let white = normal::<R>(key, shape::<R>(count, R - 2, &self.size), device);
        let blur = |_, voxels| BlurKernel::Gaussian.map(voxels, self.sigma).of_unit_variance();
        Ok(along_all(white, blur).mul_scalar(self.amplitude))
    }
}
