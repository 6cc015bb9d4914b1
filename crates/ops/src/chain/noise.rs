//! Noise on a value of a chain: one draw, which all images share.

use crate::noise::{FusedNoise, NoiseRows};
use burn::tensor::Tensor;

/// Noise on a value of a [`Chain`](crate::Chain), such as a layer's activation.
pub trait ChainNoise {
    /// The value `[batch, channels, height, width]` plus the noise of the next draw, by an operation
    /// of its own.
    fn add(&self, x: Tensor<4>) -> Tensor<4>;

    /// True if all images of a value of these sizes get one draw, in proportion to one standard
    /// deviation, of a form that kernels have. Only then can a chain with this noise run as one
    /// operation.
    fn is_shared(&self, dims: [usize; 4]) -> bool;

    /// The next draw for a value of these sizes, `None` if noise is off. Asked only of noise that
    /// [`is_shared`](Self::is_shared).
    fn draw(&self, dims: [usize; 4]) -> Option<(FusedNoise, NoiseRows)>;
}
