use super::layers::run_layers;
use super::{ChainNoise, Obstacle, ObstacleReason};
use crate::batch_norm::Epilogue;
use crate::mean::spatial_mean;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// A value within a [`Chain`]: its input, or the result of one of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(pub(super) usize);

/// A chain of layers, described before it runs: convolutions, batch norms, rectifiers, residual
/// sums and noise between an activation and another.
///
/// In half precision on the CPU, [`autocast`](crate::autocast) to `Bf16`, a chain runs as one
/// operation. Its activations stay in bfloat16 from the first layer to the last, a batch norm that
/// uses its running statistics is a part of the convolution before it, and gradients take the same
/// way back. What [`obstacle`](Self::obstacle) names, and any other precision or device, make it
/// run layer by layer, by [`conv2d`](crate::conv2d),
/// [`conv2d_batch_norm`](crate::conv2d_batch_norm) and [`batch_norm`](crate::batch_norm).
///
/// # Panics
///
/// The methods that add a step panic for a value that this chain does not have.
///
/// ```
/// # use burn::module::Module;
/// # use burn::nn::conv::{Conv2d, Conv2dConfig};
/// # use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
/// # use burn::tensor::{Device, Tensor};
/// use cni_ops::{Chain, Epilogue, Precision, autocast};
///
/// #[derive(Module, Debug)]
/// struct Body {
///     first: Conv2d,
///     first_norm: BatchNorm,
///     second: Conv2d,
///     second_norm: BatchNorm,
/// }
///
/// impl Body {
///     /// `[batch, 16, height, width]` to `[batch, 16]`.
///     fn forward(&self, x: Tensor<4>) -> Tensor<2> {
///         let mut chain = Chain::new();
///         let input = chain.input();
///         let relu = Epilogue::relu();
///         let out = chain.conv2d_batch_norm(&self.first, &self.first_norm, input, relu);
///         let after = Epilogue::add_relu(input);
///         chain.conv2d_batch_norm(&self.second, &self.second_norm, out, after);
///         chain.run_mean(x)
///     }
/// }
/// # let device = Device::flex();
/// # let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
/// # let conv = || {
/// #     let conv = Conv2dConfig::new([16, 16], [3, 3]).with_padding(padding.clone());
/// #     conv.with_bias(false).init(&device)
/// # };
/// # let norm = || BatchNormConfig::new(16).init(&device);
/// # let body = Body { first: conv(), first_norm: norm(), second: conv(), second_norm: norm() };
///
/// let x = Tensor::ones([2, 16, 8, 8], &device);
/// let full = body.forward(x.clone());
/// let half = autocast(Precision::Bf16, || body.forward(x));
/// assert!((half - full).abs().max().into_scalar::<f32>() < 0.05);
/// ```
#[derive(Default)]
pub struct Chain<'a> {
    pub(super) steps: Vec<Step<'a>>,
}

pub(super) enum Step<'a> {
    /// A convolution, a batch norm or both, and what follows.
    Layer {
        input: Value,
        conv: Option<&'a Conv2d>,
        norm: Option<&'a BatchNorm>,
        after: Epilogue<Value>,
    },
    /// Every other pixel, and channels of zeros before and behind.
    Subsample { input: Value, stride: usize, channels: [usize; 2] },
    /// Noise on a value.
    Noise { input: Value, noise: &'a dyn ChainNoise },
    /// Any function, and what it is in the way of half precision.
    Apply {
        input: Value,
        function: Box<dyn Fn(Tensor<4>) -> Tensor<4> + 'a>,
        reason: ObstacleReason,
    },
}

impl<'a> Chain<'a> {
    /// A chain without a layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The input.
    pub fn input(&self) -> Value {
        Value(0)
    }

    /// A convolution and what follows.
    pub fn conv2d(&mut self, layer: &'a Conv2d, x: Value, after: Epilogue<Value>) -> Value {
        self.push(Step::Layer { input: x, conv: Some(layer), norm: None, after })
    }

    /// A convolution, its batch norm and what follows.
    pub fn conv2d_batch_norm(
        &mut self,
        conv: &'a Conv2d,
        norm: &'a BatchNorm,
        x: Value,
        after: Epilogue<Value>,
    ) -> Value {
        self.push(Step::Layer { input: x, conv: Some(conv), norm: Some(norm), after })
    }

    /// A batch norm and what follows.
    pub fn batch_norm(&mut self, layer: &'a BatchNorm, x: Value, after: Epilogue<Value>) -> Value {
        self.push(Step::Layer { input: x, conv: None, norm: Some(layer), after })
    }

    /// A residual sum, a rectifier or both.
    pub fn epilogue(&mut self, x: Value, after: Epilogue<Value>) -> Value {
        self.push(Step::Layer { input: x, conv: None, norm: None, after })
    }

    /// The pixels at every `stride`-th row and column, and channels of zeros before and behind the
    /// others: a shortcut without parameters (He et al., CVPR 2016, option A).
    pub fn subsample(&mut self, x: Value, stride: usize, channels: [usize; 2]) -> Value {
        self.push(Step::Subsample { input: x, stride, channels })
    }

    /// A value plus its noise, `[batch, channels, height, width]` to the same. A chain with noise
    /// that its images do not share runs layer by layer.
    pub fn noise(&mut self, noise: &'a dyn ChainNoise, x: Value) -> Value {
        self.push(Step::Noise { input: x, noise })
    }

    /// Any function of an activation. A chain with one runs layer by layer.
    pub fn apply(&mut self, x: Value, function: impl Fn(Tensor<4>) -> Tensor<4> + 'a) -> Value {
        self.push_function(x, ObstacleReason::Function, function)
    }

    /// An activation that is no rectifier, as a function. A chain with one runs layer by layer.
    pub fn activation(
        &mut self,
        x: Value,
        function: impl Fn(Tensor<4>) -> Tensor<4> + 'a,
    ) -> Value {
        self.push_function(x, ObstacleReason::Activation, function)
    }

    /// A pooling, as a function. A chain with one runs layer by layer.
    pub fn pooling(&mut self, x: Value, function: impl Fn(Tensor<4>) -> Tensor<4> + 'a) -> Value {
        self.push_function(x, ObstacleReason::Pooling, function)
    }

    fn push_function(
        &mut self,
        input: Value,
        reason: ObstacleReason,
        function: impl Fn(Tensor<4>) -> Tensor<4> + 'a,
    ) -> Value {
        self.push(Step::Apply { input, function: Box::new(function), reason })
    }

    fn push(&mut self, step: Step<'a>) -> Value {
        let made = self.steps.len();
        let earlier = step.reads().into_iter().flatten().all(|Value(read)| read <= made);
        assert!(earlier, "chain: got a value of another chain, wanted one of this");
        self.steps.push(step);
        Value(made + 1)
    }

    /// The result of the last step, or the input if there is none: `[batch, channels, height,
    /// width]` to the same.
    ///
    /// # Panics
    ///
    /// As [`conv2d_batch_norm`](crate::conv2d_batch_norm) if shapes do not follow one another, if
    /// noise is not what [`ChainNoise::draw`] promises, and if the environment asks for a way of
    /// [`HalfPrecision`](crate::HalfPrecision) that is not there.
    pub fn run(&self, x: Tensor<4>) -> Tensor<4> {
        #[cfg(feature = "flex")]
        if let Some(result) = super::run::run(self, &x, false) {
            return result;
        }
        run_layers(self, x)
    }

    /// The mean of [`run`](Self::run)'s result over its positions, `[batch, channels]`: global
    /// average pooling.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn run_mean(&self, x: Tensor<4>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if let Some(result) = super::run::run(self, &x, true) {
            let [batch, channels, _, _] = result.dims();
            return result.reshape([batch, channels]);
        }
        spatial_mean(run_layers(self, x))
    }

    /// What keeps the chain from running as one operation in half precision, on an input
    /// `[batch, channels, height, width]` of this shape and with batch norms that train.
    pub fn obstacle(&self, input: [usize; 4]) -> Option<Obstacle> {
        #[cfg(feature = "flex")]
        return super::run::obstacle(self, input);
        #[cfg(not(feature = "flex"))]
        {
            let _ = input;
            Some(Obstacle { step: 1, reason: ObstacleReason::NoKernels })
        }
    }
}

impl Step<'_> {
    pub(super) fn reads(&self) -> [Option<Value>; 2] {
        match self {
            Self::Layer { input, after, .. } => [Some(*input), after.residual],
            Self::Subsample { input, .. }
            | Self::Noise { input, .. }
            | Self::Apply { input, .. } => [Some(*input), None],
        }
    }
}
