//! Activations of a model.

use crate::NoiseError;
use burn::tensor::{Tensor, activation};
use cni_noise::named_values;
use cni_ops::{Chain, Epilogue, Value};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_1_SQRT_2;

/// The activation after the batch norms of a model. Its text is its name in JSON.
///
/// Smooth ones make the loss flatter around adversarial examples than the rectifier (Stutz et al.,
/// ICCV 2021, table 1). In half precision on the CPU only the rectifier is a part of the one
/// operation that a model is; with another the model runs layer by layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The rectifier: `max(0, x)`.
    #[default]
    Relu,
    /// `x · σ(x)` with the logistic function σ, also called swish.
    Silu,
    /// `x · Φ(x)` with the normal distribution function Φ, exactly: `x/2 · (1 + erf(x/√2))`. Stutz
    /// et al. use `x · σ(1.702 x)` in its place, which is up to 0.02 away.
    Gelu,
    /// `x · tanh(ln(1 + eˣ))` (Misra, BMVC 2020).
    Mish,
    /// `ln(1 + eˣ)`; `x` itself above 20, as in PyTorch.
    Softplus,
}

named_values!(
    Activation,
    NoiseError,
    NoiseError::unnamed("activation"),
    [Relu, Silu, Gelu, Mish, Softplus]
);

impl Activation {
    /// The activation of each element, in the shape of `x`.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
            // Burn's own function has the gradient of another one, the approximation by a tanh.
            Self::Gelu => (x.clone().mul_scalar(FRAC_1_SQRT_2).erf() + 1.0) * x.mul_scalar(0.5),
            Self::Mish => activation::mish(x),
            Self::Softplus => activation::softplus(x, 1.0),
        }
    }

    /// A layer of a chain with the sum that follows it, if one does, and this activation.
    pub(super) fn after<'a>(
        self,
        chain: &mut Chain<'a>,
        residual: Option<Value>,
        layer: impl FnOnce(&mut Chain<'a>, Epilogue<Value>) -> Value,
    ) -> Value {
        let relu = self == Self::Relu;
        let x = layer(chain, Epilogue { residual, relu });
        if relu { x } else { chain.activation(x, move |x| self.forward(x)) }
    }
}
