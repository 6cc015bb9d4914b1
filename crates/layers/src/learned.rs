//! The learnable parameters of a noise law, shared by weight and activation noise.

use crate::NoiseError;
use crate::spec::Spec;
use burn::module::{
    Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param, Reparameterization,
};
use burn::tensor::{DType, Device, Tensor};
use cni_noise::{AddedNoise, Convention, Examples, Key, layer_key};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which elements share an amplitude α of white noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// One α for the tensor.
    Layer,
    /// One α for each channel: output channels of a weight, channels of an activation.
    Channel,
    /// One α for each element.
    Element,
}

/// A noise law with the initial values of its parameters. The formulas are in [`cni_noise::law`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Law {
    /// White noise `α s ⊙ e`: PNI.
    White {
        /// Which elements share an α.
        granularity: Granularity,
        /// Initial α. PNI: 0.25.
        alpha: f64,
    },
    /// Low-rank-plus-diagonal noise, `√|s a| ⊙ e + F e_f` in the reference convention: CNI.
    Colored {
        /// Columns of the factor `F`; 0 leaves the diagonal alone.
        rank: usize,
        /// Initial diagonal `a`, a variance. CNI: 0.25² = 0.0625.
        diagonal: f64,
        /// Initial value of every entry of `F`. CNI: 0.01.
        factor: f64,
    },
}

impl Law {
    /// White noise with PNI's initial α of 0.25.
    pub const fn white(granularity: Granularity) -> Self {
        Self::White { granularity, alpha: 0.25 }
    }

    /// Colored noise with CNI's initial values, a = 0.0625 and F = 0.01. The reference uses rank 5.
    pub const fn colored(rank: usize) -> Self {
        Self::Colored { rank, diagonal: 0.0625, factor: 0.01 }
    }

    pub(crate) fn validate(&self, name: &str, elements: usize) -> Result<(), NoiseError> {
        let finite = |field, got: f64| match got.is_finite() {
            true => Ok(()),
            false => Err(NoiseError::Initial { field, got }),
        };
        match *self {
            Self::White { alpha, .. } => finite("alpha", alpha),
            Self::Colored { rank, diagonal, factor } => {
                finite("diagonal", diagonal)?;
                finite("factor", factor)?;
                match rank <= elements {
                    true => Ok(()),
                    false => Err(NoiseError::Rank { name: name.to_string(), rank, elements }),
                }
            }
        }
    }
}

/// `white`, or `colored` with its rank.
impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::White { .. } => f.write_str("white"),
            Self::Colored { rank, .. } => write!(f, "colored, rank {rank}"),
        }
    }
}

/// Learned noise for one tensor: the parameters of its law and the name that its draws are keyed
/// by.
///
/// As a [`Reparameterization`] it makes a weight noisy. [`ActivationNoise`](crate::ActivationNoise)
/// holds one for the output of another layer.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LearnedNoise {
    /// First, so that a visitor hears of it before it sees the parameters.
    spec: Spec,
    // A law has either an alpha or a diagonal. Private, so that none has neither.
    alpha: Option<Param<Tensor<1>>>,
    diagonal: Option<Param<Tensor<1>>>,
    factor: Option<Param<Tensor<2>>>,
    #[module(skip)]
    name: String,
}

impl LearnedNoise {
    /// What Burn's visitors call the container of this module's own parameters. A name in a path
    /// would not do: a user's module may have a field named `noise` too.
    pub(crate) const CONTAINER: &'static str = "Struct:LearnedNoise";

    /// Noise for a tensor of the given shape. The caller has validated the law.
    pub(crate) fn new(
        name: String,
        law: Law,
        convention: Convention,
        shape: &[usize],
        channel_axis: usize,
        device: &Device,
    ) -> Self {
        let elements: usize = shape.iter().product();
        let vector = |value, n| Initializer::Constant { value }.init([n], device);
        let (mut alpha, mut diagonal, mut factor) = (None, None, None);
        match law {
            Law::White { granularity, alpha: value } => {
                let n = match granularity {
                    Granularity::Layer => 1,
                    Granularity::Channel => shape[channel_axis],
                    Granularity::Element => elements,
                };
                alpha = Some(vector(value, n));
            }
            Law::Colored { rank, diagonal: a, factor: f } => {
                diagonal = Some(vector(a, elements));
                let matrix = Initializer::Constant { value: f };
                factor = (rank > 0).then(|| matrix.init([elements, rank], device));
            }
        }
        let spec = Spec { law, convention, shape: shape.to_vec(), channel_axis };
        Self { spec, alpha, diagonal, factor, name }
    }

    /// The law and its initial values.
    pub fn law(&self) -> Law {
        self.spec.law
    }

    /// The amplitudes α of white noise, one, one a channel or one an element: `[1]`, `[channels]`
    /// or `[elements]`.
    pub fn alpha(&self) -> Option<&Param<Tensor<1>>> {
        self.alpha.as_ref()
    }

    /// The diagonal `a` of colored noise, `[elements]`.
    pub fn diagonal(&self) -> Option<&Param<Tensor<1>>> {
        self.diagonal.as_ref()
    }

    /// The factor `F` of colored noise of rank above 0, `[elements, rank]`.
    pub fn factor(&self) -> Option<&Param<Tensor<2>>> {
        self.factor.as_ref()
    }

    /// The convention that the noise's size follows.
    pub fn convention(&self) -> Convention {
        self.spec.convention
    }

    /// The name that keys the draws.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of the next draw, or `None` where noise is off.
    pub(crate) fn next_key(&self, device: &Device) -> Option<Key> {
        layer_key(&self.name, device)
    }

    /// The noise of one draw, for a batch of one row that the elements are the flattening of:
    /// `shape`.
    pub(crate) fn added(&self, key: Key, shape: &[usize], dtype: DType) -> AddedNoise {
        let parameters = self.spec.parameters(
            self.alpha.as_ref().map(|alpha| value(alpha, dtype)),
            self.diagonal.as_ref().map(|diagonal| value(diagonal, dtype)),
            self.factor.as_ref().map(|factor| value(factor, dtype)),
            shape,
        );
        let (draw_per_row, std_per_row) = (false, false);
        AddedNoise {
            parameters,
            key,
            rows: 1,
            draw_per_row,
            examples: Examples::default(),
            std_per_row,
        }
    }
}

impl Reparameterization for LearnedNoise {
    const NAME: &'static str = "noise";

    /// The weight plus a draw of its noise; the weight itself where noise is off.
    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let Some(key) = self.next_key(&base.device()) else {
            return base;
        };
        // Noise is added to numbers, which packed ones are not.
        let base = match base.dtype() {
            DType::QFloat(_) => base.dequantize(),
            _ => base,
        };
        self.added(key, &base.dims(), base.dtype()).add_to(base)
    }
}

/// The value of a parameter in the element type of the noisy tensor.
fn value<const D: usize>(parameter: &Param<Tensor<D>>, dtype: DType) -> Tensor<D> {
    let value = parameter.val();
    if value.dtype() == dtype { value } else { value.cast(dtype) }
}

impl ModuleDisplay for LearnedNoise {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = match self.spec.law {
            Law::White { granularity, .. } => content.add_debug_attribute("white", &granularity),
            Law::Colored { rank, .. } => content.add("colored_rank", &rank),
        };
        content.add_debug_attribute("convention", &self.spec.convention).optional()
    }
}
