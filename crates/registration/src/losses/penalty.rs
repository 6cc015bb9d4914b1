use super::derivative::central;
use super::{Lengths, bending_energy};
use crate::RegistrationError;
use crate::fields::grid::check_field;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What is summed over the derivatives of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GradientNorm {
    /// Their absolute values.
    L1,
    /// Their squares.
    L2,
}

/// The mean over voxels and components of `Σ |u_a|` or `Σ u_a²` over the axes a, by central
/// differences at the voxels that have them, as in label-reg. It is 0 for constant fields.
///
/// VoxelMorph's penalty takes forward differences and the mean over axes.
///
/// # Shapes
///
/// - field: `[batch, axes, ..spatial]`, in voxels, axes of at least 3
/// - output: `[1]`
///
/// # Errors
///
/// [`RegistrationError::Shape`] for a tensor that is no such field.
pub fn gradient_penalty<const R: usize>(
    field: &Tensor<R>,
    norm: GradientNorm,
) -> Result<Tensor<1>, RegistrationError> {
    check_field("field", field, 3)?;
    let along = |axis: usize| {
        let derivative = central(field, axis);
        match norm {
            GradientNorm::L1 => derivative.abs().mean(),
            GradientNorm::L2 => derivative.square().mean(),
        }
    };
    Ok((1..R - 2).fold(along(0), |sum, axis| sum + along(axis)))
}

/// A penalty on rough fields, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    /// [`bending_energy`] in voxels.
    BendingEnergy,
    /// [`gradient_penalty`] by absolute values.
    GradientL1,
    /// [`gradient_penalty`] by squares.
    GradientL2,
}

impl Penalty {
    /// The penalty on a field, `[1]`. Shapes and errors are those of the function of its name.
    pub fn of<const R: usize>(self, field: &Tensor<R>) -> Result<Tensor<1>, RegistrationError> {
        match self {
            Self::BendingEnergy => bending_energy(field, Lengths::Voxels),
            Self::GradientL1 => gradient_penalty(field, GradientNorm::L1),
            Self::GradientL2 => gradient_penalty(field, GradientNorm::L2),
        }
    }
}
