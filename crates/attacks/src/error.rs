//! What an attack refuses: one enumeration, and so one file.

use crate::Norm;

/// Input or a model that an attack cannot work with: each names what was wrong, what it got and
/// what it wanted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    /// The radius of a threat is no radius.
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
    /// The radius of an Linf ball that holds every image: most often one in units of bytes.
    #[error(
        "epsilon: got {got}, wanted less than 1 in Linf, in units of the pixel range [0, 1]; for \
         {got} of 255 values of a byte write {got}/255"
    )]
    EpsilonOfBytes {
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
    /// Examples' numbers that do not belong to the images.
    #[error("examples: got {got} numbers, wanted {wanted}, one for each image")]
    ExampleCount {
        /// How many numbers there are.
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
    /// Pixels outside the unit interval: often images that were normalized, or bytes that were not
    /// scaled.
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
    #[error(
        "{field}: got NaN or infinite values for {got} examples, the first of them number {example}, wanted finite values"
    )]
    NonFinite {
        /// Where they are: the images, the logits or the gradient.
        field: &'static str,
        /// How many examples have them.
        got: usize,
        /// The number of the first such example.
        example: u64,
    },
    /// The model tells too few classes apart for the loss or the attack.
    #[error("classes: got {got}, wanted at least {wanted} for {of}")]
    Classes {
        /// The classes of the model.
        got: usize,
        /// The fewest that it can work with.
        wanted: usize,
        /// The loss or the attack.
        of: String,
    },
    /// A norm that the attack is not made for.
    #[error("norm: got {got:?}, wanted one of {wanted:?}")]
    Norm {
        /// The norm of the threat.
        got: Norm,
        /// The norms that the attack knows.
        wanted: &'static [Norm],
    },
    /// An unbounded threat of an attack that needs a radius.
    #[error(
        "threat: got no bound, wanted a radius: {attack} looks for the worst image of a ball, not \
         for the nearest adversarial one"
    )]
    Unbounded {
        /// The attack.
        attack: String,
    },
    /// A goal that the attack is not made for.
    #[error("goal: got a target class, wanted misclassification: {attack} has no targeted form")]
    Untargeted {
        /// The attack.
        attack: String,
    },
    /// A goal of a user's own that the attack is not made for.
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
    /// A loss, or the margin of a goal, of a user's own that does not give one value for each
    /// image.
    #[error("loss `{name}`: got {got} values, wanted {wanted}, one for each image")]
    LossShape {
        /// The name of the function.
        name: String,
        /// The number of its values.
        got: usize,
        /// The number of images.
        wanted: usize,
    },
    /// A loss, or the margin of a goal, of a user's own that is NaN or infinite.
    #[error(
        "loss `{name}`: got NaN or infinite values for {got} examples, the first of them number \
         {example}, wanted finite values"
    )]
    LossNotFinite {
        /// The name of the function.
        name: String,
        /// How many examples have them.
        got: usize,
        /// The number of the first such example.
        example: u64,
    },
    /// A loss of a user's own that is cut off from the logits.
    #[error(
        "loss `{name}`: got values that do not depend on the logits, wanted a differentiable loss"
    )]
    LossNotDifferentiable {
        /// The name of the function.
        name: String,
    },
    /// A setting outside its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: f64,
        /// The range.
        wanted: &'static str,
    },
    /// A patch that does not fit into the images.
    #[error("side: got {got}, wanted at most {wanted}, the shorter side of the images")]
    Side {
        /// The side of the patch, in pixels.
        got: usize,
        /// The shorter side of the images, in pixels.
        wanted: usize,
    },
    /// A setting that would have no effect.
    #[error("{field}: got {got}, wanted {wanted}")]
    Unused {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: String,
        /// Why it is not wanted.
        wanted: &'static str,
    },
    /// A setting that the attack lacks.
    #[error("{field}: {attack} has no such setting")]
    NoKnob {
        /// The attack.
        attack: String,
        /// The setting.
        field: &'static str,
    },
    /// Inputs of another shape than the model's.
    #[error("inputs: got examples of shape {got:?}, wanted {wanted:?}")]
    InputShape {
        /// Their shape without the batch.
        got: Vec<usize>,
        /// The model's, zeros standing for any size.
        wanted: Vec<usize>,
    },
    /// Settings of which no attack can be made.
    #[error("{attack}: {reason}")]
    Spec {
        /// The attack.
        attack: String,
        /// Why.
        reason: String,
    },
    /// Attacks that make no suite.
    #[error("suite {name}: {reason}")]
    Suite {
        /// The suite.
        name: String,
        /// Why.
        reason: String,
    },
    /// Two images that are the same example of the data set.
    #[error(
        "examples: got number {number} for several images, wanted a number of its own for each"
    )]
    RepeatedExample {
        /// The number.
        number: u64,
    },
    /// An attack whose images have another shape than those that it was given.
    #[error("{attack}: got images of shape {got:?}, wanted {wanted:?}")]
    ResultShape {
        /// The attack.
        attack: String,
        /// The shape of its images.
        got: [usize; 4],
        /// The shape of the originals.
        wanted: [usize; 4],
    },
    /// An attack whose images are NaN or infinite.
    #[error(
        "{attack}: got NaN or infinite pixels in {got} images, the first of them example {example}, \
         wanted finite pixels"
    )]
    ResultNotFinite {
        /// The attack.
        attack: String,
        /// How many images have such pixels.
        got: usize,
        /// The number of the first such example.
        example: u64,
    },
    /// An attack that left the box of pixels.
    #[error("{attack}: got the pixel {got} in example {example}, wanted pixels in [0, 1]")]
    OutsideBox {
        /// The attack.
        attack: String,
        /// The pixel farthest outside in that example.
        got: f64,
        /// The number of the first such example.
        example: u64,
    },
    /// An attack that left the ball of its threat.
    #[error(
        "{attack}: got {count} images outside its threat, the first of them example {example} at \
         the {norm:?} distance {got}, wanted at most epsilon = {epsilon}"
    )]
    OutsideBall {
        /// The attack.
        attack: String,
        /// The distance of the first image outside.
        got: f64,
        /// The radius of the threat.
        epsilon: f64,
        /// The norm of the threat.
        norm: Norm,
        /// The number of the first such example.
        example: u64,
        /// How many images are outside.
        count: usize,
    },
    /// The logits were cut off from the images, so that no attack by gradients can be meant.
    #[error("gradient: got logits that do not depend on the images, wanted a differentiable model")]
    NoGradient,
}

/// `got`, unless it is zero.
pub fn at_least_one(field: &'static str, got: usize) -> Result<usize, AttackError> {
    if got == 0 { Err(AttackError::Zero { field }) } else { Ok(got) }
}

/// `got`, unless it is outside the range that `holds` describes.
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
