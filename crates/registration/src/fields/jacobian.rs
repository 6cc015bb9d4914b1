use super::grid::check_field;
use crate::RegistrationError;
use crate::axes::AxisMap;
use burn::tensor::Tensor;

/// The Jacobian determinant of `x ↦ x + u(x)` at every voxel: how much it enlarges the volume. It
/// is 1 where nothing moves, and at or below 0 where the map folds.
///
/// Derivatives are central differences, and one-sided at the border, as `numpy.gradient` and
/// VoxelMorph take them.
///
/// # Shapes
///
/// - field: `[batch, axes, ..spatial]`, in voxels, axes of at least 2
/// - output: `[batch, 1, ..spatial]`
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor that is no such field.
pub fn jacobian_determinant<const R: usize>(
    field: &Tensor<R>,
) -> Result<Tensor<R>, RegistrationError> {
    check_field("field", field, 2)?;
    let axes = R - 2;
    // The derivative of each component along each axis, with that of x.
    let derivative = |component: usize, axis: usize| {
        let of = field.clone().narrow(1, component, 1);
        let voxels = of.dims()[axis + 2];
        let along = gradient(voxels).apply(of, axis + 2);
        if component == axis { along.add_scalar(1.0) } else { along }
    };
    let d: Vec<Vec<Tensor<R>>> =
        (0..axes).map(|c| (0..axes).map(|a| derivative(c, a)).collect()).collect();
    let minor = |rows: [usize; 2], columns: [usize; 2]| {
        let at = |r: usize, c: usize| d[rows[r]][columns[c]].clone();
        at(0, 0) * at(1, 1) - at(0, 1) * at(1, 0)
    };
    Ok(match axes {
        2 => minor([0, 1], [0, 1]),
        _ => {
            d[0][0].clone() * minor([1, 2], [1, 2]) - d[0][1].clone() * minor([1, 2], [0, 2])
                + d[0][2].clone() * minor([1, 2], [0, 1])
        }
    })
}

/// Differences along an axis: central ones, one-sided at its ends.
fn gradient(voxels: usize) -> AxisMap {
    AxisMap::new(voxels, voxels, |x, y| {
        let (low, high) = (y.saturating_sub(1), (y + 1).min(voxels - 1));
        let step = (high - low) as f64;
        f64::from(x == high) / step - f64::from(x == low) / step
    })
}

/// Counts the folded voxels of each field: those with a [`jacobian_determinant`] that is not above
/// 0.
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor that is no field with axes of at least 2.
pub fn folds<const R: usize>(field: &Tensor<R>) -> Result<Vec<usize>, RegistrationError> {
    let determinant = jacobian_determinant(&field.clone().detach())?;
    let voxels = determinant.dims()[2..].iter().product::<usize>();
    let values = determinant.into_data().iter::<f64>().collect::<Vec<_>>();
    // A determinant that is no number is a fold too.
    let folded =
        |values: &[f64]| values.iter().filter(|value| value.is_nan() || **value <= 0.0).count();
    Ok(values.chunks(voxels).map(folded).collect())
}

/// Refuses a field that folds.
pub(super) fn check_folds<const R: usize>(field: &Tensor<R>) -> Result<(), RegistrationError> {
    match folds(field)?.into_iter().enumerate().find(|(_, folds)| *folds > 0) {
        Some((example, folds)) => Err(RegistrationError::Folded { example, folds }),
        None => Ok(()),
    }
}
