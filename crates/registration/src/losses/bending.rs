use super::derivative::central;
use crate::RegistrationError;
use crate::fields::grid::{check_field, sizes};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// The unit of lengths in a penalty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lengths {
    /// Voxels.
    #[default]
    Voxels,
    /// The number of voxels of each axis, so that an axis is 1 long: MONAI's `normalize`.
    Axes,
}

/// The bending energy of a field (Rueckert et al., IEEE TMI 1999): the mean over voxels and
/// components of `Σ u_aa² + 2 Σ u_ab²`, over the axes a and the pairs a < b. It is 0 for affine
/// fields.
///
/// Derivatives are central differences of central differences, at the voxels that have them, as in
/// label-reg and MONAI.
///
/// # Shapes
///
/// - field: `[batch, axes, ..spatial]`, in voxels, axes of at least 5
/// - output: `[1]`
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor that is no such field.
pub fn bending_energy<const R: usize>(
    field: &Tensor<R>,
    lengths: Lengths,
) -> Result<Tensor<1>, RegistrationError> {
    check_field("field", field, 5)?;
    let (axes, size) = (R - 2, sizes(field));
    let field = match lengths {
        Lengths::Voxels => field.clone(),
        Lengths::Axes => {
            let mut dims = [1; R];
            dims[1] = axes;
            let per_voxel = size.iter().map(|&voxels| 1.0 / voxels as f64).collect::<Vec<_>>();
            let options = (&field.device().inner(), field.dtype());
            field.clone() * Tensor::from_data(TensorData::new(per_voxel, dims), options)
        }
    };
    let mut energy: Option<Tensor<1>> = None;
    for a in 0..axes {
        let first = central(&field, a);
        for b in a..axes {
            let scale = match lengths {
                Lengths::Voxels => 1.0,
                Lengths::Axes => (size[a] * size[b]) as f64,
            };
            let pairs = if a == b { 1.0 } else { 2.0 };
            let second = central(&first, b).mul_scalar(scale).square().mean();
            let term = second.mul_scalar(pairs);
            energy = Some(match energy {
                Some(energy) => energy + term,
                None => term,
            });
        }
    }
    Ok(energy.expect("there is an axis"))
}
