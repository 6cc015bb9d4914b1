//! Losses: how unlike two images or labels are, and how rough a field is. Each is to be minimized,
//! and a tensor of one number that carries gradients.
//!
//! | loss | as in |
//! | --- | --- |
//! | [`MultiScaleDice`] | label-reg (Hu et al., arXiv 1807.03361) |
//! | [`Lncc`] | VoxelMorph, but for windows at the border |
//! | [`mean_squared_error`] | VoxelMorph, MONAI |
//! | [`bending_energy`] | label-reg, MONAI |
//! | [`gradient_penalty`] | label-reg |
//!
//! [`dice`] measures an overlap and is no loss.

mod bending;
mod blur;
mod derivative;
mod dice;
mod lncc;
mod mse;
mod penalty;

pub use bending::{Lengths, bending_energy};
pub use blur::BlurKernel;
pub(crate) use blur::{blurred, check_sigma};
pub use dice::{MultiScaleDice, dice};
pub use lncc::Lncc;
pub use mse::mean_squared_error;
pub use penalty::{GradientNorm, Penalty, gradient_penalty};
