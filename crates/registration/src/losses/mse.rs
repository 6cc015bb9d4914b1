use crate::RegistrationError;
use crate::fields::grid::{check_image, check_same};
use burn::tensor::Tensor;

/// The mean squared difference of two images of one modality: `[1]`.
///
/// # Shapes
///
/// - fixed, warped: `[batch, channels, ..spatial]`
///
/// # Errors
///
/// [`RegistrationError::Shape`] for images of different shapes.
pub fn mean_squared_error<const R: usize>(
    fixed: Tensor<R>,
    warped: Tensor<R>,
) -> Result<Tensor<1>, RegistrationError> {
    check_image("fixed", &fixed)?;
    check_same("warped", &warped, &fixed)?;
    Ok((fixed - warped).square().mean())
}
