//! Central differences of fields.

use burn::tensor::Tensor;

/// The central difference along a spatial axis, counted from 0, at the voxels that have neighbours
/// on all sides: every axis loses one voxel at each end.
pub(super) fn central<const R: usize>(x: &Tensor<R>, axis: usize) -> Tensor<R> {
    let part = |first: usize| {
        (0..R - 2).fold(x.clone(), |x, other| {
            let inner = x.dims()[other + 2] - 2;
            x.narrow(other + 2, if other == axis { first } else { 1 }, inner)
        })
    };
    (part(2) - part(0)).div_scalar(2.0)
}
