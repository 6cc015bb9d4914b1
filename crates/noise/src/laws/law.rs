//! The trait of all noise laws.

use super::{
    Covariance, Draws, Granularity, HostParameters, LawError, LawParameters, NoiseParameters,
    NoiseScale, Rows, TensorShape,
};
use burn::tensor::Tensor;
use cni_ops::FusedNoise;
use serde_json::Value;
use std::any::Any;
use std::fmt;

/// A law of random noise on a tensor: its parameters, its noise from standard normal draws, its
/// exact covariance and, if it has one, the form that kernels serve.
///
/// A row is what one draw is for: a weight, or one example of an activation, flattened. The noise
/// of a row is a function of the parameters, the row and the draws alone.
///
/// The library's laws and custom ones implement it alike: what takes a
/// [`NoiseKind`](super::NoiseKind), such as `WeightNoise::new` of `cni-layers`, takes either.
///
/// ```
/// use burn::tensor::Tensor;
/// use cni_noise::laws::{
///     Covariance, Draws, HostParameters, LawError, LawParameters, NoiseKind, NoiseLaw,
///     NoiseParameters, NoiseScale, Rows, TensorShape, VectorSpec,
/// };
/// use serde_json::{Value, json};
///
/// /// Uniform noise `s β ⊙ u`, with `u = erf(e / √2)` uniform on [-1, 1] for standard normal `e`.
/// #[derive(Debug)]
/// struct Uniform {
///     /// Initial half-width β, in standard deviations of the tensor.
///     width: f64,
/// }
///
/// impl NoiseLaw for Uniform {
///     fn name(&self) -> String {
///         "uniform".to_string()
///     }
///
///     fn spec(&self) -> Value {
///         json!({ "uniform": { "width": self.width } })
///     }
///
///     fn parameters(&self, _: &TensorShape) -> LawParameters {
///         let width = VectorSpec { name: "width", len: 1, initial: self.width };
///         LawParameters { vectors: vec![width], factor: None }
///     }
///
///     fn check(&self, scale: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
///         match scale {
///             NoiseScale::Relative => Ok(()),
///             _ => Err(LawError::new("scale", scale, "relative for uniform noise")),
///         }
///     }
///
///     fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2> {
///         let ([width], [e]) = (parameters.vectors(), draws.streams());
///         e.div_scalar(2f64.sqrt()).erf() * parameters.spread(width) * rows.std()
///     }
///
///     fn covariance(
///         &self,
///         parameters: &HostParameters,
///         std: f64,
///         _: Option<&[f64]>,
///     ) -> Covariance {
///         let variance = (self.amplitude(parameters) * std).powi(2);
///         Covariance::independent(vec![variance; parameters.shape.elements()])
///     }
///
///     fn amplitude(&self, parameters: &HostParameters) -> f64 {
///         let [width] = parameters.vectors();
///         width[0].abs() / 3f64.sqrt()
///     }
/// }
///
/// let law = NoiseKind::from(Uniform { width: 0.5 });
/// assert_eq!(law.validate(NoiseScale::Relative, &TensorShape::new(&[16, 8], 1)), Ok(()));
/// // In `cni-layers`: WeightNoise::new(Uniform { width: 0.5 }).with_scale(NoiseScale::Relative)
/// ```
pub trait NoiseLaw: Any + fmt::Debug + Send + Sync {
    /// The name in tables and records, such as `white` or `colored, rank 5`.
    fn name(&self) -> String;

    /// All settings, as a JSON object with one entry: its name is that of the law, its value the
    /// settings, such as `{"white": {"granularity": "layer", "alpha": 0.25}}`. It is part of what
    /// identifies a run. A setting that is named like a parameter is the parameter's initial value.
    fn spec(&self) -> Value;

    /// The learnable parameters for a tensor of this shape, with their initial values.
    ///
    /// Names are of letters, digits and underscores, each another one; `factor` is that of the
    /// matrix alone. A law has the same parameters whenever it is asked.
    fn parameters(&self, shape: &TensorShape) -> LawParameters;

    /// Checks the law's settings for a tensor of this shape.
    ///
    /// It need not repeat what [`validate`](#method.validate) checks for every law.
    ///
    /// # Errors
    ///
    /// [`LawError`] for a setting out of its range, and for a scale that the law does not have.
    fn check(&self, scale: NoiseScale, shape: &TensorShape) -> Result<(), LawError>;

    /// The granularity: the elements that share parameters. It decides which activations a layer
    /// takes: with one parameter for each element only those of the layer's own shape.
    fn granularity(&self) -> Granularity {
        Granularity::Element
    }

    /// True if the size of the noise grows with the absolute values of this vector, as it does with
    /// all of most laws, and not for another, such as a mean. It is what a training keeps above a
    /// floor.
    fn is_amplitude(&self, _vector: &str) -> bool {
        true
    }

    /// The power of `c` that this vector is multiplied by where all noise is to be `c` times as
    /// large: 1 for an amplitude, 2 for a variance, 0 for a mean. The factor is multiplied by `c`
    /// itself. `None` if no such change of the parameters makes the noise larger, or the law does
    /// not say.
    fn degree(&self, _vector: &str) -> Option<i32> {
        None
    }

    /// The standard normal values in a draw for a row of `elements`, by stream, each above 0.
    /// Stream `k` is drawn by the `k`-th child of the draw's key.
    fn draws(&self, elements: usize) -> Vec<usize> {
        vec![elements]
    }

    /// True if the law gives the tensor another mean than itself.
    fn has_mean(&self) -> bool {
        false
    }

    /// The mean of the noisy rows, `[rows, elements]`, which stays if noise is off: the rows
    /// themselves unless [`has_mean`](Self::has_mean).
    fn mean(&self, _parameters: &NoiseParameters, rows: Tensor<2>) -> Tensor<2> {
        rows
    }

    /// The noise of all rows, of mean zero, `[rows, elements]`; `[1, elements]` if all rows share
    /// draws and standard deviation.
    ///
    /// `draws` are those of [`draws`](Self::draws), one for all rows or one for each.
    ///
    /// It is finite where parameters and rows are. No forward pass checks that, since it would have
    /// to wait for the device: noise that is not finite makes the loss so, at which training ends
    /// with an error.
    fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2>;

    /// The covariance of the noise of a row of standard deviation `std`. `values` are the row's
    /// elements; `None` for an activation, for which elements of mean square `std²` stand.
    fn covariance(
        &self,
        parameters: &HostParameters,
        std: f64,
        values: Option<&[f64]>,
    ) -> Covariance;

    /// The learned amplitude in one number that is free of the tensor.
    fn amplitude(&self, parameters: &HostParameters) -> f64;

    /// The noise in the form that kernels serve, `None` if it has none: then it is computed by
    /// tensor operations, as that of a law with a [mean](Self::has_mean) is.
    fn fused(&self, _parameters: &NoiseParameters) -> Option<FusedNoise> {
        None
    }
}

impl dyn NoiseLaw {
    /// The law as the type that implements it, `None` if it is of another type.
    pub fn downcast_ref<L: NoiseLaw>(&self) -> Option<&L> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}
