//! Learnable noise on the weights and activations of Burn modules.
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
//! - [`NoisyConv2dConfig`], [`NoisyLinearConfig`]: layers with noise on weights, input and output;
//! - [`models`]: ResNets whose noise is configuration, and the import of PyTorch checkpoints;
//! - [`NoiseSummary`], [`count_parameters`], [`noise_parameters`]: what a module carries;
//! - [`noise_amplitudes`], [`noise_covariances`]: what noise it has learned;
//! - [`keyed_init`]: initial weights as a function of a key.
//!
//! Noise is on in training and at inference; [`cni_noise::scope`] replays it or switches it off.

mod activation;
mod covariance;
mod error;
mod init;
mod learned;
pub mod models;
mod noisy;
mod spec;
mod summary;
mod weight;

pub use activation::{ActivationNoise, ActivationNoiseConfig, Per};
pub use cni_noise::laws::{Granularity, NoiseKind, NoiseScale};
pub use covariance::{CovarianceError, noise_amplitudes, noise_covariances};
pub use error::{ImportError, NoiseError};
pub use init::keyed_init;
pub use learned::LearnedNoise;
pub use noisy::{LayerNoise, NoisyConv2d, NoisyConv2dConfig, NoisyLinear, NoisyLinearConfig};
pub use summary::{NoiseEntry, NoiseSummary, count_parameters, noise_parameters};
pub use weight::WeightNoise;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
