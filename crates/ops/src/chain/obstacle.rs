use thiserror::Error;

/// What keeps a [`Chain`](crate::Chain) from running as one operation in half precision.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("step {step}: {reason}")]
pub struct Obstacle {
    /// The number of the step, from 1.
    pub step: usize,
    /// What is in the way.
    pub reason: ObstacleReason,
}

/// The kinds of [`Obstacle`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObstacleReason {
    /// A function that the chain does not know.
    #[error("a function of its own")]
    Function,
    /// Noise whose draws or standard deviations are each example's own, for which there are no
    /// kernels, or which is for activations of other sizes.
    #[error("noise of each example, of a law without kernels, or for other sizes")]
    Noise,
    /// An activation other than a rectifier, which the kernels do not have.
    #[error("an activation that is no rectifier")]
    Activation,
    /// A pooling between layers, which the kernels do not have.
    #[error("a pooling")]
    Pooling,
    /// A convolution with groups or dilation.
    #[error("a convolution with groups or dilation")]
    GroupsOrDilation,
    /// Parameters of another type than single precision.
    #[error("parameters of another type than f32")]
    ParameterType,
    /// Shapes that do not follow one another.
    #[error("shapes that do not follow one another")]
    Shape,
    /// A convolution's bias in front of a batch norm that trains.
    #[error("a bias in front of a batch norm")]
    BiasBeforeNorm,
    /// A chain without a step that changes anything.
    #[error("a chain without a step that changes anything")]
    Empty,
    /// A result that no later step reads.
    #[error("a result that no later step reads")]
    Unread,
    /// A build without the CPU backend.
    #[error("a build without the CPU backend's kernels")]
    NoKernels,
}
