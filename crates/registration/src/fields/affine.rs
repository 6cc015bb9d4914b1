use super::grid::{check_sizes, coordinates, shape};
use crate::RegistrationError;
use burn::tensor::{Tensor, TensorData};

/// The field of an affine map about the center `c` of the grid:
/// `x + u(x) = c + A (x − c) + t`.
///
/// # Shapes
///
/// - matrix: `[batch, axes, axes + 1]`, `A` with the translation `t` in voxels as its last column
/// - output: `[batch, axes, ..size]`, in voxels
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a matrix of another shape, and a size of another number of axes
/// or with 0.
pub fn affine_field<const R: usize>(
    matrix: Tensor<3>,
    size: &[usize],
) -> Result<Tensor<R>, RegistrationError> {
    check_sizes::<R>("size", size, 1)?;
    let (axes, [batch, rows, columns]) = (R - 2, matrix.dims());
    if rows != axes || columns != axes + 1 {
        let wanted = format!("[batch, {axes}, {}]", axes + 1);
        return Err(RegistrationError::Shape {
            field: "matrix",
            got: vec![batch, rows, columns],
            wanted,
        });
    }
    let (device, dtype) = (matrix.device().inner(), matrix.dtype());
    let voxels = size.iter().product();
    let center: Vec<f64> = size.iter().map(|&voxels| (voxels as f64 - 1.0) / 2.0).collect();
    let center = Tensor::<3>::from_data(TensorData::new(center, [1, axes, 1]), (&device, dtype));
    let from_center = coordinates::<R>(size, &device, dtype).reshape([1, axes, voxels]) - center;
    let identity = Tensor::<2>::eye(axes, &device).cast(dtype).unsqueeze();
    let linear = matrix.clone().narrow(2, 0, axes) - identity;
    let translation = matrix.narrow(2, axes, 1);
    let field = linear.matmul(from_center.expand([batch, axes, voxels])) + translation;
    Ok(field.reshape(shape::<R>(batch, axes, size)))
}
