use super::Sampling;
use super::grid::check_field;
use super::jacobian::check_folds;
use super::warp::warped;
use crate::RegistrationError;
use crate::error::{at_least, positive};
use burn::tensor::{Bool, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// The inverse of a field by a fixed point (Chen et al., Medical Physics 2008): `w ← −u(x + w)`,
/// from zero, until `w + u(x + w)` is zero.
///
/// It converges if `u` changes by less than a voxel from one voxel to the next. Where the field
/// leads out of the image, its values at the border stand for what is outside. A field of a
/// velocity has another inverse, [`integrate`](super::integrate) of the negative velocity.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_registration::fields::{Inverse, affine_field};
/// # let device = Device::flex();
/// // Half of the way to the center, and twice of it back.
/// let matrix = Tensor::from_floats([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]], &device);
/// let field: Tensor<4> = affine_field(matrix, &[9, 9])?;
/// let inverse = Inverse::default().of(field)?;
/// let above_center = inverse.slice([0..1, 0..1, 3..4, 4..5]).into_scalar::<f32>();
/// assert!((above_center - -1.0).abs() < 2e-3);
/// # Ok::<(), cni_registration::RegistrationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inverse {
    /// The largest `|w + u(x + w)|` of a component that is accepted, in voxels.
    pub tolerance: f64,
    /// The most iterations.
    pub iterations: usize,
}

impl Default for Inverse {
    /// A thousandth of a voxel, in at most 100 iterations.
    fn default() -> Self {
        Self { tolerance: 1e-3, iterations: 100 }
    }
}

impl Inverse {
    /// The inverse of a field. It reads the residuals back from the device after each iteration.
    /// Each example stops at its own tolerance, so that its inverse does not depend on the others,
    /// at the iterate whose residual is within it.
    ///
    /// # Shapes
    ///
    /// - field and output: `[batch, axes, ..spatial]`, in voxels, axes of at least 2
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for a tensor that is no field, [`RegistrationError::Folded`]
    /// for one that folds and has no inverse, [`RegistrationError::NotConverged`] for one whose
    /// fixed point was not reached, with the first example of these, [`RegistrationError::Value`]
    /// and [`RegistrationError::Count`] for a tolerance or iterations of 0.
    pub fn of<const R: usize>(&self, field: Tensor<R>) -> Result<Tensor<R>, RegistrationError> {
        positive("tolerance", self.tolerance)?;
        at_least("iterations", self.iterations, 1)?;
        check_field("field", &field, 2)?;
        check_folds(&field)?;
        let dims = field.dims();
        let mut inverse = field.zeros_like();
        let mut residuals = vec![f64::INFINITY; dims[0]];
        let is_open = |residual: &f64| residual.is_nan() || *residual > self.tolerance;
        for _ in 0..=self.iterations {
            let next = warped(field.clone(), inverse.clone(), Sampling::default()).neg();
            let measured = largest(inverse.clone() - next.clone());
            for (residual, measured) in residuals.iter_mut().zip(measured) {
                // Where an example has stopped, it stays.
                if is_open(residual) {
                    *residual = measured;
                }
            }
            // Those within the tolerance stay where that was measured.
            let open: Vec<bool> = residuals.iter().map(is_open).collect();
            if !open.contains(&true) {
                return Ok(inverse);
            }
            let open = Tensor::<1, Bool>::from_data(TensorData::from(&open[..]), &field.device());
            let mut rows = [1; R];
            rows[0] = dims[0];
            inverse = inverse.mask_where(open.reshape(rows).expand(dims), next);
        }
        let example = residuals.iter().position(is_open).expect("an example is open");
        let (got, wanted, iterations) = (residuals[example], self.tolerance, self.iterations);
        Err(RegistrationError::NotConverged { example, got, wanted, iterations })
    }
}

/// The largest absolute value of each example.
fn largest<const R: usize>(x: Tensor<R>) -> Vec<f64> {
    let rows = x.detach().abs().flatten::<2>(1, R - 1).max_dim(1);
    rows.into_data().iter::<f64>().collect()
}
