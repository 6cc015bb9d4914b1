use super::compose::composed;
use super::grid::check_field;
use crate::RegistrationError;
use burn::tensor::Tensor;

/// Integrates a stationary velocity over the time 1 by scaling and squaring (Arsigny et al., MICCAI
/// 2006): `v / 2ⁿ`, composed with itself n times. VoxelMorph takes n = 7.
///
/// The exact field has no folds and `integrate(-v)` is its inverse. The computed one comes near
/// that for a velocity that is smooth on the grid and small enough, `|v| / 2ⁿ` below half a voxel.
///
/// # Shapes
///
/// - velocity and output: `[batch, axes, ..spatial]`, in voxels
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor that is no field, [`RegistrationError::Count`] for
/// more than 24 squarings, after which single precision has nothing left of `v`.
pub fn integrate<const R: usize>(
    velocity: Tensor<R>,
    squarings: usize,
) -> Result<Tensor<R>, RegistrationError> {
    check_field("velocity", &velocity, 1)?;
    if squarings > 24 {
        let wanted = "at most 24".into();
        return Err(RegistrationError::Count { field: "squarings", got: squarings, wanted });
    }
    let first = velocity.mul_scalar(0.5_f64.powi(squarings as i32));
    Ok((0..squarings).fold(first, |field, _| composed(field.clone(), field)))
}
