//! Operations with kernels of their own: keyed draws, added noise, convolution, batch norm, and
//! chains of them in half precision.
//!
//! The book has a chapter on its speed: [GPU and precision][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/precision.md
//!
//! The functions of this crate stand in for Burn's operations. On Flex in single precision they use
//! the kernels of this crate, draws and noise also on the backends of CubeCL; on any other backend,
//! element type or shape they use Burn's own operations. Results agree to rounding, and so do the
//! gradients.
//!
//! | function | computes |
//! | --- | --- |
//! | [`draw`], [`draw_on_host`] | random values as functions of a key and an index |
//! | [`NoiseLaunch`] | noise drawn, scaled and added in one pass, without a draw in memory |
//! | [`conv2d`] | a convolution |
//! | [`conv2d_batch_norm`] | a convolution, its batch norm, and what may follow: a residual sum and a rectifier |
//! | [`batch_norm`] | a batch norm and what may follow |
//! | [`running_affine`] | the affine map of a batch norm by its running statistics |
//! | [`Chain`] | many of these, described first and then run, in half precision as one operation |
//! | [`linear`] | a linear layer |
//! | [`normalize`] | images with the mean and the standard deviation of each channel taken out |
//! | [`spatial_mean`] | the mean of each channel of each image |
//! | [`sign_step`], [`sign_step_with_momentum`] | a step of an attack in the L∞ norm |
//! | [`clamp_between`] | the nearest point of a box |
//! | [`row_extremes`] | the least and the largest value of each row |
//! | [`autocast`] | a closure, with convolutions and linear layers in half precision |
//! | [`spectral_energy`] | the energy of images by frequency |
//! | `sign_conv2d`, `sign_stage` | convolutions of signs, 64 in a word; with the feature `flex` |
//! | [`padding_pairs`], [`conv2d_output_size`] | the padding and output size of a convolution |
//!
//! Convolutions use Winograd's minimal filtering for kernels of 3 by 3 elements if their tiles fill
//! vectors, and a direct kernel otherwise. All kernels on the CPU use AVX-512, AVX2 or what else
//! the processor has, chosen at run time. Results do not depend on the number of threads. The
//! memory that the kernels write is kept from one use to the next; with the feature `flex`,
//! `release_memory` gives back what is not in use.
//!
//! In half precision activations lie in cells of 32 images by 32 channels of bfloat16, which the
//! matrix units of AMX multiply if the processor has them, or the dot products of AVX-512 for
//! bfloat16, or else vectors of single precision ([`HalfPrecision`]). Batches are filled up to
//! whole cells: one image takes the memory of 32. An activation of up to 16 channels has two
//! neighbouring pixels in a cell; a value that is not finite then also reaches outputs next to
//! those it counts for. It never leaves its image.
//!
//! A batch norm that uses its running statistics is one affine map a channel. [`conv2d_batch_norm`]
//! then computes everything in one pass over memory, and keeps for the gradient nothing but the
//! output.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod arch;
#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod backward;
mod batch_norm;
#[cfg(feature = "flex")]
mod cells;
mod chain;
mod conv;
mod draw;
#[cfg(feature = "flex")]
mod extension;
mod extremes;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod gradients;
mod half_precision;
mod linear;
mod mean;
mod noise;
mod normalize;
#[cfg(feature = "flex")]
mod plain;
mod precision;
#[cfg(feature = "flex")]
mod recorded;
mod shape;
mod sign_step;
#[cfg(feature = "flex")]
mod signs;
mod spectrum;
#[cfg(all(test, feature = "flex"))]
mod testing;

pub use batch_norm::{Epilogue, batch_norm, running_affine};
pub use chain::{Chain, ChainNoise, Obstacle, ObstacleReason, Value};
pub use conv::{conv2d, conv2d_batch_norm};
pub use draw::{Distribution, Stream, draw, draw_on_host, philox_block};
pub use extremes::row_extremes;
#[cfg(feature = "flex")]
pub use flex::release_memory;
pub use half_precision::{HalfPrecision, HalfPrecisionError};
pub use linear::linear;
pub use mean::spatial_mean;
pub use noise::{Amplitude, FusedNoise, NoiseForm, NoiseLaunch, NoiseRows, StdPower};
pub use normalize::normalize;
pub use precision::{ParsePrecisionError, Precision, autocast, current_precision, product_bits};
pub use shape::{conv2d_output_size, padding_pairs};
pub use sign_step::{StepSize, clamp_between, sign_step, sign_step_with_momentum};
#[cfg(feature = "flex")]
pub use signs::{PackedKernel, PackedSigns, SignGeometry, SignUnit, sign_conv2d, sign_stage};
pub use spectrum::{SpectralEnergy, SpectrumError, spectral_energies, spectral_energy};
