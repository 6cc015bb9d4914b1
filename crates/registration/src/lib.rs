//! Image registration whose deformation is regularized by an adversary: a discriminator that tells
//! predicted displacement fields from true ones takes the place of a smoothness penalty (Hu et al.,
//! MICCAI 2018, arXiv 1805.10665). In 2-D and 3-D by the same code.
//!
//! The book has a chapter on it: [Adversarial deformation regularization][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/registration.md
//!
//! ```
//! # use burn::tensor::{Device, Tensor};
//! use cni_registration::fields::{Sampling, affine_field, folds, warp};
//! # let device = Device::flex();
//! // Every voxel takes the value two rows below it.
//! let shift = Tensor::from_floats([[[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]], &device);
//! let field: Tensor<4> = affine_field(shift, &[8, 8])?;
//! let image = Tensor::ones([1, 1, 8, 8], &device);
//! let warped = warp(image, field.clone(), Sampling::default())?;
//! assert_eq!((warped.dims(), folds(&field)?), ([1, 1, 8, 8], vec![0]));
//! # Ok::<(), cni_registration::RegistrationError>(())
//! ```
//!
//! - [`fields`]: displacement fields, the spatial transformer, composition, integration, inverse,
//!   Jacobian and folds;
//! - [`losses`]: similarities of images and labels, penalties on rough fields;
//! - [`networks`]: [`LocalNet`](networks::LocalNet), [`GlobalNet`](networks::GlobalNet) and
//!   [`CompositeNet`](networks::CompositeNet), after label-reg;
//! - [`adversary`]: the discriminator and its losses by name;
//! - [`training`]: both networks in turn, with exact resume;
//! - [`simulation`]: where true fields come from: smooth random ones, B-splines, and an elastic
//!   body by finite elements.
//!
//! The published study gives neither the adversary's loss nor its architecture nor its weight, and
//! no code: those here are **choices of this library**. Nothing here is a medical device or has
//! been tested on images of patients.

pub mod adversary;
mod axes;
mod error;
pub mod fields;
pub mod losses;
pub mod networks;
pub mod simulation;
pub mod training;

pub use error::RegistrationError;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
