//! Convolution and batch norm for small images, with kernels of their own on the CPU.
//!
//! Burn's `Flex` computes a convolution of few channels several times slower than the processor can. The functions of this
//! crate stand in for Burn's: on Flex in single precision they use the kernels of this crate, on any other backend,
//! element type or shape Burn's own operations. Results agree to rounding; so do the gradients.
//!
//! | function | computes |
//! | --- | --- |
//! | [`conv2d`] | a convolution |
//! | [`conv2d_norm`] | a convolution, its batch norm, and what may follow: a residual sum and a rectifier |
//! | [`norm`] | a batch norm and what may follow |
//! | [`linear`] | a linear layer |
//! | [`autocast`] | a closure, with convolutions and linear layers in half precision |
//! | [`padding_pairs`], [`conv2d_output_size`] | the padding and output size of a convolution |
//!
//! The kernels: Winograd's minimal filtering for convolutions of 3 by 3 elements whose tiles fill vectors, a direct one for
//! all others, with AVX-512, AVX2 or what else the processor has, chosen at run time. Results do not depend on the number of
//! threads. What the kernels write lies in memory that is kept from one use to the next; with the feature `flex`,
//! `release_memory` gives back what is not in use.
//!
//! Where batch norm uses its running statistics it is one affine map by channel. [`conv2d_norm`] then computes everything
//! in one pass over memory, and keeps for the gradient nothing but the output.

#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod backward;
mod conv;
#[cfg(feature = "flex")]
mod extension;
#[cfg(feature = "flex")]
mod flex;
mod linear;
mod norm;
mod precision;
mod shape;

pub use conv::{conv2d, conv2d_norm};
#[cfg(feature = "flex")]
pub use flex::release_memory;
pub use linear::linear;
pub use norm::{After, norm};
pub use precision::{ParsePrecisionError, Precision, autocast, current_precision};
pub use shape::{conv2d_output_size, padding_pairs};
