//! The operations that a backend has kernels for.

use super::launch::NoiseLaunch;
use crate::draw::{Distribution, Stream};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};
use burn::tensor::Shape;

#[cfg(feature = "fusion")]
use burn::backend::fusion::custom::TensorSpec;

/// Noise by kernels. Tensors are in row-major order, whatever shape they have; `x` and gradients
/// are `[rows, elements]`, the moments `[stds, 2]`, the parameter `[amplitudes]`, the factor
/// `[elements, rank]`. Moments are read only if the noise depends on the standard deviation.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub(crate) trait NoiseOperations: Backend {
    /// The values of a stream in the shape of `out`, whose own values do not matter.
    #[fusion(dtype = out, shape = out)]
    fn fill(
        out: FloatTensor<Self>,
        distribution: Distribution,
        stream: Stream,
    ) -> FloatTensor<Self>;

    /// Mean and unbiased standard deviation of the tensor or of each row, `[stds, 2]`.
    #[fusion(dtype = x, shape = Shape::new([launch.stds(), 2]))]
    fn moments(x: FloatTensor<Self>, launch: NoiseLaunch) -> FloatTensor<Self>;

    /// The tensor plus its noise.
    #[fusion(dtype = x, shape = x)]
    fn add_noise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        parameter: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> FloatTensor<Self>;

    /// The gradients that take the draws `e`: of the parameter as if every element had its own,
    /// `[elements]`, and of the standard deviations by `p` alone, `[stds, 1]`.
    #[fusion(meta = |gradient: &TensorSpec, _: &TensorSpec, _: &TensorSpec, launch: &NoiseLaunch| (
        TensorSpec::new(Shape::new([launch.elements]), gradient.dtype),
        TensorSpec::new(Shape::new([launch.stds(), 1]), gradient.dtype),
    ))]
    fn slopes(
        gradient: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        parameter: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of `x`: the noisy tensor's plus what comes through the standard deviations,
    /// whose gradient `slope` is `[stds, 1]`.
    #[fusion(dtype = gradient, shape = gradient)]
    fn through_std(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> FloatTensor<Self>;

    /// The outer product of `[elements]` and `[rank]`.
    #[fusion(default)]
    fn outer(
        column: FloatTensor<Self>,
        row: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> FloatTensor<Self> {
        let column = Self::float_reshape(column, Shape::new([launch.elements, 1]));
        Self::float_mul(column, Self::float_reshape(row, Shape::new([1, launch.rank])))
    }
}
