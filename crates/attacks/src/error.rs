//! What an attack refuses.

/// Input or a model that an attack cannot work with: each names what was wrong, what it got and what it wanted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    /// The radius of a threat is no radius.
    #[error("epsilon: got {got}, wanted a finite number of at least 0")]
    Epsilon {
        /// The radius given.
        got: f64,
    },
    /// A step that goes nowhere, backwards or too far.
    #[error("step_size: got {got}, wanted a finite number above 0")]
    StepSize {
        /// The step size given.
        got: f64,
    },
    /// A number of steps, restarts, draws or samples is zero.
    #[error("{field}: got 0, wanted at least 1")]
    Zero {
        /// The setting that is zero.
        field: &'static str,
    },
    /// There is nothing to attack.
    #[error("images: got an empty batch of shape {got:?}, wanted at least one pixel")]
    EmptyBatch {
        /// The shape of the images.
        got: [usize; 4],
    },
    /// Images and labels do not belong together.
    #[error("labels: got {got}, wanted {wanted}, one for each image")]
    LabelCount {
        /// The number of labels.
        got: usize,
        /// The number of images.
        wanted: usize,
    },
    /// A label that names no class.
    #[error("labels: got {got}, wanted a class in 0..{classes}")]
    Label {
        /// The first such label.
        got: i64,
        /// The number of classes the model tells apart.
        classes: usize,
    },
    /// Pixels outside the unit interval: often images that were normalized, or bytes that were not scaled.
    #[error("images: got the pixel value {got}, wanted values in [0, 1]")]
    PixelRange {
        /// The value farthest outside.
        got: f64,
    },
    /// The model's output is not one row of logits for each image.
    #[error("logits: got shape {got:?}, wanted [{batch}, classes] with at least 2 classes")]
    LogitsShape {
        /// The shape of the output.
        got: [usize; 2],
        /// The number of images.
        batch: usize,
    },
    /// Values that are NaN or infinite.
    #[error("{field}: got {got} values that are NaN or infinite, wanted finite values")]
    NonFinite {
        /// Where they are: the images, the logits or the gradient.
        field: &'static str,
        /// How many they are.
        got: usize,
    },
    /// The logits were cut off from the images, so that no attack by gradients can be meant.
    #[error("gradient: got logits that do not depend on the images, wanted a differentiable model")]
    NoGradient,
}

/// `got`, unless it is zero.
pub(crate) fn at_least_one(field: &'static str, got: usize) -> Result<usize, AttackError> {
    if got == 0 { Err(AttackError::Zero { field }) } else { Ok(got) }
}
