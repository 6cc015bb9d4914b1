//! Noise on a value of a chain: one draw, which all images share.

use crate::noise::{FusedNoise, NoiseRows};
use burn::tensor::Tensor;

/// Noise on a value of a [`Chain`](crate::Chain), such as a layer's activation. All methods have to
/// mean the same noise.
pub trait ChainNoise {
    /// The value plus the noise of the next draw, by an operation of its own: `[batch, channels,
    /// height, width]` to the same.
    fn add(&self, x: Tensor<4>) -> Tensor<4>;

    /// True if all images of a value `[batch, channels, height, width]` get one draw about
    /// themselves, scaled by one standard deviation, of a form that kernels have. Only then can a
    /// chain with this noise run as one operation. Draws nothing.
    fn is_shared(&self, dims: [usize; 4]) -> bool;

    /// The next draw for a value of these sizes, `None` if noise is off and leaves the value as it
    /// is. Asked once a run, and only of noise that [`is_shared`](Self::is_shared).
    ///
    /// The rows are the images, with one draw and one standard deviation for all of them. The
    /// factor and the amplitudes under a root have an entry for each of `channels · height · width`
    /// elements. A chain panics at anything else.
    fn draw(&self, dims: [usize; 4]) -> Option<(FusedNoise, NoiseRows)>;
}
