//! Learnable noise on the weights and activations of Burn modules.
//!
//! The book has a chapter on it: [Make your own model noisy][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/noisy.md
//!
//! ```
//! # use burn::{nn::LinearConfig, tensor::Device};
//! use cni_layers::WeightNoise;
//! # let model = LinearConfig::new(8, 4).init(&Device::flex());
//! let model = WeightNoise::colored(5).inject(model);
//! ```
//!
//! - [`WeightNoise`]: white (PNI) or colored (CNI) noise on the weights of any module;
//! - [`ActivationNoiseConfig`], [`ActivationNoise`]: the same on activations;
//! - [`LayerNoise`], [`Noisy`]: noise on weights, input and output of a layer of any kind;
//! - [`NoisyConv2dConfig`], [`NoisyLinearConfig`]: the same for layers with fast kernels;
//! - [`models`]: ResNets, wide ones too, and airbench's network, whose noise and activation are
//!   configuration, and the import of PyTorch checkpoints;
//! - [`NoiseSummary`], [`parameters`], [`noise_parameters`]: the noise and the parameters of a
//!   module, with paths, ids and roles;
//! - [`noise_amplitudes`], [`noise_covariances`]: the noise that it has learned;
//!   [`amplify_noise`] makes it larger or smaller;
//! - [`keyed_init`]: initial weights as a function of a key;
//! - `band_limited`, with the feature of that name: convolutions of low frequencies;
//! - `binary`, with the feature of that name: layers of signs.
//!
//! Every configuration is a Burn [`Config`](burn::config::Config): a value that saves and loads,
//! and whose settings have the same names in a file and on a command line.
//!
//! Noise is on in training and at inference; [`cni_noise::scope`] replays it or switches it off.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "band-limited")]
pub mod band_limited;
#[cfg(feature = "binary")]
pub mod binary;
mod check;
mod error;
mod init;
pub mod models;
mod noise;
mod parameters;

pub use cni_noise::laws::{Granularity, NoiseKind, NoiseScale};
pub use error::{ImportError, NoiseError};
pub use init::keyed_init;
pub use noise::{
    ActivationNoise, ActivationNoiseConfig, CovarianceError, LayerNoise, LearnedNoise, NoiseEntry,
    NoiseSummary, Noisy, NoisyConv2d, NoisyConv2dConfig, NoisyLinear, NoisyLinearConfig, Per,
    WeightNoise, amplify_noise, noise_amplitudes, noise_covariances,
};
pub use parameters::{Parameter, ParameterRole, count_parameters, noise_parameters, parameters};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
