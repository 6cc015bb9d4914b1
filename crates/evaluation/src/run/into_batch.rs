//! What an evaluation takes for a batch.

use burn::tensor::{Int, Tensor};
use std::error::Error;

/// Images and labels: a batch of an evaluation, or a `Result` of one.
///
/// An error ends the evaluation; what is done stays in its state.
pub trait IntoBatch {
    /// Images `[batch, channels, height, width]` with pixels in [0, 1] and labels `[batch]`.
    ///
    /// # Errors
    ///
    /// That of the batches' source.
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
