//! The errors of attacks. One file, because they are one enumeration.

use crate::Norm;

/// The errors of attacks: input, a setting or a model that an attack cannot work with. Each message
/// names what was wrong, what it got and what it wanted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    /// The radius of a threat is negative, NaN or infinite.
    #[error("epsilon: got {got}, wanted a finite number of at least 0")]
    Epsilon {
        /// The radius given.
        got: f64,
    },
    /// A text that is no radius.
    #[error("epsilon: got {got:?}, wanted a number or a fraction such as 8/255")]
    EpsilonText {
        /// The text given.
        got: String,
    },
    /// The radius of an Linf threat is 1 or more, so that its ball holds every image. Most often
    /// such a radius is in bytes, 0 to 255, instead of the pixel range [0, 1].
    #[error(
        "epsilon: got {got}, wanted less than 1 in Linf, in units of the pixel range [0, 1]; for \
         {got} of 255 values of a byte write {got}/255"
    )]
    EpsilonOfBytes {
        /// The radius given.
        got: f64,
    },
    /// A step size is zero, negative, NaN or infinite.
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
    /// The batch has no image, or its images have no pixel.
    #[error("images: got an empty batch of shape {got:?}, wanted at least one pixel")]
    EmptyBatch {
        /// The shape of the images.
        got: [usize; 4],
    },
    /// The number of labels differs from the number of images.
    #[error("labels: got {got}, wanted {wanted}, one for each image")]
    LabelCount {
        /// The number of labels.
        got: usize,
        /// The number of images.
        wanted: usize,
    },
    /// The number of example numbers differs from the number of images.
    #[error("examples: got {got} numbers, wanted {wanted}, one for each image")]
    ExampleCount {
        /// The number of example numbers.
        got: usize,
        /// The number of images.
        wanted: usize,
    },
    /// A label is not a class of the model.
    #[error("labels: got {got}, wanted a class in 0..{classes}")]
    Label {
        /// The first such label.
        got: i64,
        /// The number of classes of the model.
        classes: usize,
    },
    /// Pixels are outside [0, 1]: often images were normalized, or bytes were not divided by 255.
    #[error("images: got the pixel value {got}, wanted values in [0, 1]")]
    PixelRange {
        /// The pixel farthest outside.
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
    /// Values are NaN or infinite.
    #[error(
        "{field}: got NaN or infinite values for {got} examples, the first of them number \
         {example}, wanted finite values"
    )]
    NonFinite {
        /// The kind of the values: the images, the logits or the gradient.
        field: &'static str,
        /// The number of examples that have such values.
        got: usize,
        /// The number of the first such example.
        example: u64,
    },
    /// The model has too few classes for the loss or the attack.
    #[error("classes: got {got}, wanted at least {wanted} for {of}")]
    Classes {
        /// The number of classes of the model.
        got: usize,
        /// The fewest classes that the loss or the attack needs.
        wanted: usize,
        /// The loss or the attack.
        of: String,
    },
    /// The attack does not support the norm of the threat.
    #[error("norm: got {got:?}, wanted one of {wanted:?}")]
    Norm {
        /// The norm of the threat.
        got: Norm,
        /// The norms that the attack supports.
        wanted: &'static [Norm],
    },
    /// The threat is unbounded, but the attack needs a radius.
    #[error(
        "threat: got no bound, wanted a radius: {attack} looks for the worst image of a ball, not \
         for the nearest adversarial one"
    )]
    Unbounded {
        /// The attack.
        attack: String,
    },
    /// The goal is a target class, but the attack only supports misclassification.
    #[error("goal: got a target class, wanted misclassification: {attack} has no targeted form")]
    Untargeted {
        /// The attack.
        attack: String,
    },
    /// The goal is custom, but the attack only supports misclassification and target classes.
    #[error(
        "goal: got `{goal}`, wanted misclassification or a target class: {attack} follows the \
         boundaries between classes"
    )]
    CustomGoal {
        /// The attack.
        attack: String,
        /// The name of the goal's margin.
        goal: String,
    },
    /// A custom loss, or the margin of a custom goal, does not give one value for each image.
    #[error("loss `{name}`: got {got} values, wanted {wanted}, one for each image")]
    LossShape {
        /// The name of the function.
        name: String,
        /// The number of its values.
        got: usize,
        /// The number of images.
        wanted: usize,
    },
    /// A custom loss, or the margin of a custom goal, is NaN or infinite.
    #[error(
        "loss `{name}`: got NaN or infinite values for {got} examples, the first of them number \
         {example}, wanted finite values"
    )]
    LossNotFinite {
        /// The name of the function.
        name: String,
        /// The number of examples that have such values.
        got: usize,
        /// The number of the first such example.
        example: u64,
    },
    /// A custom loss does not depend on the logits, so that it has no gradient.
    #[error(
        "loss `{name}`: got values that do not depend on the logits, wanted a differentiable loss"
    )]
    LossNotDifferentiable {
        /// The name of the function.
        name: String,
    },
    /// A setting is outside its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: f64,
        /// The range of the setting, in words.
        wanted: &'static str,
    },
    /// A patch does not fit into the images.
    #[error("side: got {got}, wanted at most {wanted}, the shorter side of the images")]
    Side {
        /// The side of the patch, in pixels.
        got: usize,
        /// The shorter side of the images, in pixels.
        wanted: usize,
    },
    /// A setting would have no effect.
    #[error("{field}: got {got}, wanted {wanted}")]
    Unused {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: String,
        /// The value to set instead, and the reason, in words.
        wanted: &'static str,
    },
    /// The attack does not have the setting.
    #[error("{field}: {attack} has no such setting")]
    NoKnob {
        /// The attack.
        attack: String,
        /// The setting.
        field: &'static str,
    },
    /// Inputs have another shape than those of the model, or than the other inputs.
    #[error("inputs: got examples of shape {got:?}, wanted {wanted:?}")]
    InputShape {
        /// The shape of an input, without the batch.
        got: Vec<usize>,
        /// The shape that was wanted; 0 stands for any size.
        wanted: Vec<usize>,
    },
    /// The settings in a record or a configuration file do not describe an attack.
    #[error("{attack}: {reason}")]
    Spec {
        /// The attack.
        attack: String,
        /// Why.
        reason: String,
    },
    /// Attacks cannot form a suite.
    #[error("suite {name}: {reason}")]
    Suite {
        /// The suite.
        name: String,
        /// Why.
        reason: String,
    },
    /// Several images have the same example number.
    #[error(
        "examples: got number {number} for several images, wanted a number of its own for each"
    )]
    RepeatedExample {
        /// The number.
        number: u64,
    },
    /// The images that an attack returned have another shape than the originals.
    #[error("{attack}: got images of shape {got:?}, wanted {wanted:?}")]
    ResultShape {
        /// The attack.
        attack: String,
        /// The shape of its images.
        got: [usize; 4],
        /// The shape of the originals.
        wanted: [usize; 4],
    },
    /// The images that an attack returned have pixels that are NaN or infinite.
    #[error(
        "{attack}: got NaN or infinite pixels in {got} images, the first of them example \
         {example}, wanted finite pixels"
    )]
    ResultNotFinite {
        /// The attack.
        attack: String,
        /// The number of images that have such pixels.
        got: usize,
        /// The number of the first such example.
        example: u64,
    },
    /// The images that an attack returned have pixels outside [0, 1].
    #[error("{attack}: got the pixel {got} in example {example}, wanted pixels in [0, 1]")]
    OutsideBox {
        /// The attack.
        attack: String,
        /// The pixel farthest outside in that example.
        got: f64,
        /// The number of the first such example.
        example: u64,
    },
    /// The images that an attack returned are outside the ball of its threat.
    #[error(
        "{attack}: got {count} images outside its threat, the first of them example {example} at \
         the {norm:?} distance {got}, wanted at most epsilon = {epsilon}"
    )]
    OutsideBall {
        /// The attack.
        attack: String,
        /// The distance of the first image outside, in the threat's norm.
        got: f64,
        /// The radius of the threat.
        epsilon: f64,
        /// The norm of the threat.
        norm: Norm,
        /// The number of the first such example.
        example: u64,
        /// The number of images outside.
        count: usize,
    },
    /// The logits do not depend on the images in the autodiff graph, so that no gradient reaches
    /// the images.
    #[error("gradient: got logits that do not depend on the images, wanted a differentiable model")]
    NoGradient,
}

/// Checks that a setting is not zero; returns `got`, or [`AttackError::Zero`].
pub fn at_least_one(field: &'static str, got: usize) -> Result<usize, AttackError> {
    if got == 0 { Err(AttackError::Zero { field }) } else { Ok(got) }
}

/// Checks that a setting is finite and that `holds` is true for it; returns `got`, or
/// [`AttackError::Setting`]. `wanted` describes the range in words.
pub fn within(
    field: &'static str,
    got: f64,
    holds: impl FnOnce(f64) -> bool,
    wanted: &'static str,
) -> Result<f64, AttackError> {
    if got.is_finite() && holds(got) {
        Ok(got)
    } else {
        Err(AttackError::Setting { field, got, wanted })
    }
}
