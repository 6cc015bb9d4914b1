use super::grid::{check_field, check_image, check_sizes, sizes};
use crate::RegistrationError;
use crate::axes::{AxisMap, along_all};
use burn::tensor::{Tensor, TensorData};

/// Resizes an image, linearly along each axis. The first and the last voxel of an axis stay where
/// they are (PyTorch's `align_corners`); an axis of one voxel becomes constant, and one that
/// becomes a voxel gives its middle.
///
/// # Shapes
///
/// - image: `[batch, channels, ..spatial]`
/// - output: `[batch, channels, ..size]`
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor of another rank than 4 and 5, and a size of another
/// number of axes or with 0.
pub fn resize<const R: usize>(
    image: Tensor<R>,
    size: &[usize],
) -> Result<Tensor<R>, RegistrationError> {
    check_image("image", &image)?;
    check_sizes::<R>("size", size, 1)?;
    Ok(resized(image, size))
}

/// [`resize`] to a size that fits.
pub(crate) fn resized<const R: usize>(image: Tensor<R>, size: &[usize]) -> Tensor<R> {
    if sizes(&image) == size {
        return image;
    }
    along_all(image, |axis, from| {
        let (last, steps) = (from as f64 - 1.0, size[axis] - 1);
        AxisMap::linear(from, size[axis], |to| match steps {
            0 => last / 2.0,
            steps => (to as f64 * last / steps as f64).min(last),
        })
    })
}

/// Resizes a field and its displacements with it: as the voxels between the first and the last one
/// become more or fewer, so do the voxels of a displacement. Affine fields stay affine.
///
/// VoxelMorph multiplies by the nominal factor, `size / from`; here it is exact,
/// `(size − 1) / (from − 1)`.
///
/// # Shapes
///
/// - field: `[batch, axes, ..spatial]`, in voxels, axes of at least 2
/// - output: `[batch, axes, ..size]`, in voxels of the new grid
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor that is no such field, and a size of another number of
/// axes or below 2.
pub fn resize_field<const R: usize>(
    field: Tensor<R>,
    size: &[usize],
) -> Result<Tensor<R>, RegistrationError> {
    check_field("field", &field, 2)?;
    check_sizes::<R>("size", size, 2)?;
    let factors = sizes(&field).into_iter().zip(size);
    let factors: Vec<f64> =
        factors.map(|(from, &to)| (to as f64 - 1.0) / (from as f64 - 1.0)).collect();
    let mut dims = [1; R];
    dims[1] = R - 2;
    let factors = TensorData::new(factors, dims);
    let factors = Tensor::<R>::from_data(factors, (&field.device().inner(), field.dtype()));
    Ok(resized(field, size) * factors)
}
