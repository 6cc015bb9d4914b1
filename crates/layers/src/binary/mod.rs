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
//! ```
//!
//! A gradient that stands for another is what an attack on such a model follows too: one that
//! follows the true gradient of the sign, zero, finds nothing and calls the model robust.

mod conv2d;
mod linear;
#[cfg(feature = "flex")]
mod packed;
mod quantizer;
mod summary;
mod weights;

pub use conv2d::{BinaryConv2d, BinaryConv2dConfig, PadValue};
pub use linear::{BinaryLinear, BinaryLinearConfig};
#[cfg(feature = "flex")]
pub use packed::{PackedConv2d, PackedLinear};
pub use quantizer::Quantizer;
pub use summary::BinarySummary;
pub use weights::{Binarized, BinaryWeights};

use crate::NoiseError;

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
