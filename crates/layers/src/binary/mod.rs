//! Binary layers: weights and inputs of −1 and +1, trained through real-valued latent weights
//! (Courbariaux et al., arXiv 1602.02830; the settings of BinaryDenseNet, Bethge et al., arXiv
//! 1906.08637, and of Larq).
//!
//! ```text
//! Quantizer        the sign, and the gradient that stands for its own, which is zero
//! BinaryWeights    the same on the weights of any module, which keeps its code and its type
//! BinaryConv2d     a convolution of quantized inputs with quantized weights
//! BinaryLinear     a linear layer likewise
//! PackedConv2d, PackedLinear  the same for inference, 64 signs in a word; with the feature `flex`
//! BinarySummary    what a model takes with a bit for each binary weight
//! PackedModel      a model's file with a bit for each binary weight
//! latent_weights, check_latent  the weights behind the signs, and whether gradients reach them
//! ```
//!
//! A gradient that stands for another is what an attack on such a model follows too: one that
//! follows the true gradient of the sign, zero, finds nothing and calls the model robust.
//!
//! Latent weights have no bounds of their own. Where the quantizer's gradient ends at a clip, an
//! update rule clamps them to it after every step of a training, wherever they were before: the
//! rule `clamp` of `cni-training`, on a group of the [`latent_weights`]. For ApproxSign it must
//! end before ±1, where the gradient is zero already. Whoever trains without it
//! asks [`check_latent`] whether some have left the gradient's reach. Inference takes them from
//! everywhere: only their signs count.

mod binarized;
mod conv2d;
mod file;
mod latent;
mod linear;
#[cfg(feature = "flex")]
mod packed;
mod quantizer;
mod summary;
mod weights;

pub use binarized::Binarized;
pub use conv2d::{BinaryConv2d, BinaryConv2dConfig, PadValue};
pub use file::{Floats, PackedError, PackedModel};
pub use latent::{check_latent, latent_weights};
pub use linear::{BinaryLinear, BinaryLinearConfig};
#[cfg(feature = "flex")]
pub use packed::{PackedConv2d, PackedLinear};
pub use quantizer::Quantizer;
pub(crate) use quantizer::no_fields;
pub use summary::BinarySummary;
pub use weights::BinaryWeights;

use crate::NoiseError;
use burn::tensor::Tensor;

/// Refuses a bias, which would not be a sign.
fn no_bias(bias: bool) -> Result<(), NoiseError> {
    match bias {
        false => Ok(()),
        true => {
            let wanted = "false: the batch norm behind a binary layer has one";
            Err(NoiseError::Model { field: "bias", got: "true".into(), wanted })
        }
    }
}

/// The surrogate for a quantizer of inputs.
fn surrogate_of(input: Option<Quantizer>, surrogate: Quantizer) -> Result<Quantizer, NoiseError> {
    if input.is_none() {
        let wanted = "a quantizer of the inputs, which a surrogate stands for";
        return Err(NoiseError::Model { field: "input", got: "none".into(), wanted });
    }
    surrogate.check_range()?;
    Ok(surrogate)
}

/// The values of a tensor, in row-major order.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_to_vec_as::<f32>().expect("values of a tensor at hand can be read")
}
