use super::grid::{check_field, check_fits, check_image, check_same};
use crate::RegistrationError;
use crate::error::not_negative;
use burn::tensor::Tensor;

/// The mean distance between two fields within a mask, in voxels: for a field and the true one, the
/// mean error of registration over those voxels. One number for each example.
///
/// # Shapes
///
/// - a, b: `[batch, axes, ..spatial]`, in voxels
/// - within: `[batch, 1, ..spatial]`, finite weights of at least 0; where one is 0 the fields may
///   have any values
///
/// # Errors
///
/// [`RegistrationError::Shape`] for tensors that do not fit together,
/// [`RegistrationError::Value`] for a weight that is negative or not finite,
/// [`RegistrationError::EmptyLabel`] for a mask without weight.
pub fn mean_distance<const R: usize>(
    a: &Tensor<R>,
    b: &Tensor<R>,
    within: &Tensor<R>,
) -> Result<Vec<f64>, RegistrationError> {
    check_field("a", a, 1)?;
    check_same("b", b, a)?;
    check_image("within", within)?;
    check_fits("within", within, a)?;
    let distance = (a.clone() - b.clone()).detach().square().sum_dim(1).sqrt();
    check_same("within", within, &distance)?;
    let voxels = distance.dims()[2..].iter().product::<usize>();
    let distances: Vec<f64> = distance.into_data().iter::<f64>().collect();
    let weights: Vec<f64> = within.to_data().iter::<f64>().collect();
    weights.iter().try_for_each(|&weight| not_negative("within", weight).map(|_| ()))?;
    let examples = distances.chunks(voxels).zip(weights.chunks(voxels)).enumerate();
    examples
        .map(|(example, (distances, weights))| {
            let total: f64 = weights.iter().sum();
            if total == 0.0 {
                return Err(RegistrationError::EmptyLabel { field: "within", example, label: 0 });
            }
            let counted = distances.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
            let sum: f64 = counted.map(|(distance, weight)| distance * weight).sum();
            Ok(sum / total)
        })
        .collect()
}
