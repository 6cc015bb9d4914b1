//! Batches of an evaluation.

use burn::tensor::{Int, Tensor};
use std::error::Error;

/// A batch of an evaluation: images with their labels, or a `Result` of both.
///
/// An error ends the evaluation; the finished batches stay in its state folder.
pub trait IntoBatch {
    /// Images `[batch, channels, height, width]` with pixels in [0, 1] and labels `[batch]`.
    ///
    /// # Errors
    ///
    /// The error of the source that makes the batches.
    fn into_batch(self) -> Result<(Tensor<4>, Tensor<1, Int>), Box<dyn Error + Send + Sync>>;
}

impl IntoBatch for (Tensor<4>, Tensor<1, Int>) {
    fn into_batch(self) -> Result<(Tensor<4>, Tensor<1, Int>), Box<dyn Error + Send + Sync>> {
        Ok(self)
    }
}

impl<B: IntoBatch, E: Into<Box<dyn Error + Send + Sync>>> IntoBatch for Result<B, E> {
    fn into_batch(self) -> Result<(Tensor<4>, Tensor<1, Int>), Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)?.into_batch()
    }
}
