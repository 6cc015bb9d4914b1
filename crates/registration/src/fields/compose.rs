use super::grid::{check_field, check_same};
use super::warp::warped;
use super::{Outside, Sampling};
use crate::RegistrationError;
use burn::tensor::Tensor;

/// Composes two fields: `u(x) = inner(x) + outer(x + inner(x))`, the displacement of
/// `(id + outer) ∘ (id + inner)`.
///
/// An image that is warped by `outer`, and what comes of it by `inner`, is the image warped by the
/// composition, up to one interpolation. Outside of its voxels `outer` goes on as at its border.
///
/// # Shapes
///
/// - outer, inner and output: `[batch, axes, ..spatial]`, in voxels
///
/// # Errors
///
/// [`RegistrationError::Shape`] for tensors that are no fields, or of different shapes.
pub fn compose<const R: usize>(
    outer: Tensor<R>,
    inner: Tensor<R>,
) -> Result<Tensor<R>, RegistrationError> {
    check_field("outer", &outer, 1)?;
    check_same("inner", &inner, &outer)?;
    Ok(composed(outer, inner))
}

/// [`compose`] of fields that fit.
pub(crate) fn composed<const R: usize>(outer: Tensor<R>, inner: Tensor<R>) -> Tensor<R> {
    let sampling = Sampling { outside: Outside::Border, ..Sampling::default() };
    inner.clone() + warped(outer, inner, sampling)
}
