//! Operations on tensors without gradients as Burn sees them, on Flex.

use crate::flex;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DispatchDevice, Flex, backend_extension};
use burn::tensor::{DType, Tensor};

/// Passes of attacks over images, and over gradients of their shape, in single precision.
#[backend_extension(Flex)]
pub trait PlainOps: Backend {
    /// A step from `x` in the box between `low` and `high`; the sizes are one for all images or one
    /// for each.
    fn sign_step(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        low: FloatTensor<Self>,
        high: FloatTensor<Self>,
        sizes: Vec<f32>,
    ) -> FloatTensor<Self>;

    /// As `sign_step`, with momentum; the factors are those of `x`, of the point ahead and of
    /// `previous`.
    fn sign_step_with_momentum(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        low: FloatTensor<Self>,
        high: FloatTensor<Self>,
        previous: FloatTensor<Self>,
        factors: [f32; 3],
        sizes: Vec<f32>,
    ) -> FloatTensor<Self>;

    /// The nearest point of the box between `low` and `high`.
    fn clamp_between(
        x: FloatTensor<Self>,
        low: FloatTensor<Self>,
        high: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The least and the largest value of each row, both NaN for a row that is not finite.
    fn row_extremes(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl PlainOps for Flex {
    fn sign_step(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        low: FloatTensor<Self>,
        high: FloatTensor<Self>,
        sizes: Vec<f32>,
    ) -> FloatTensor<Self> {
        flex::sign_step([x, gradient, low, high], None, &sizes)
    }

    fn sign_step_with_momentum(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        low: FloatTensor<Self>,
        high: FloatTensor<Self>,
        previous: FloatTensor<Self>,
        factors: [f32; 3],
        sizes: Vec<f32>,
    ) -> FloatTensor<Self> {
        flex::sign_step([x, gradient, low, high], Some((previous, factors)), &sizes)
    }

    fn clamp_between(
        x: FloatTensor<Self>,
        low: FloatTensor<Self>,
        high: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        flex::clamp_between([x, low, high])
    }

    fn row_extremes(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [least, largest] = flex::row_extremes(x);
        (least, largest)
    }
}

/// True if our kernels take these tensors: one shape, with values, and no gradients.
pub fn applies<'a, const D: usize>(tensors: impl IntoIterator<Item = &'a Tensor<D>>) -> bool {
    let mut shape = None;
    tensors.into_iter().all(|tensor| {
        let dims = tensor.dims();
        tensor.dtype() == DType::F32
            && matches!(tensor.device().as_dispatch(), DispatchDevice::Flex(_))
            && *shape.get_or_insert(dims) == dims
            && !dims.contains(&0)
    })
}
