//! Keyed random draws and the Gaussian noise laws of cni-burn.
//!
//! Every random number of the library enters here, as a function of a key and an index.
//!
//! ```
//! use burn::tensor::Device;
//! use cni_noise::{Key, normal};
//! let device = Device::flex();
//! let e = normal::<2>(Key::new(42).named("demo"), [3, 4], &device);
//! assert_eq!(e.dims(), [3, 4]);
//! ```
//!
//! - [`Key`]: a seed from which further seeds are derived;
//! - [`normal`], [`uniform`], [`sign`], [`permutation`]: draws;
//! - [`scope`]: which noise the layers of a forward pass draw, [`Noise::Fresh`],
//!   [`Noise::Keyed`] or [`Noise::Off`]; [`Scope`] carries that to another thread;
//! - [`Examples`]: which examples of the data set the rows of a batch are, for what is drawn for
//!   each by itself;
//! - [`law`]: white and colored Gaussian noise, in two conventions, with their exact covariance;
//! - [`AddedNoise`]: such noise drawn, scaled and added in one operation;
//! - [`NoiseCovariance`]: the covariance of a tensor's noise between its channels and its spectrum,
//!   for records.

mod added;
mod covariance;
mod draw;
mod examples;
mod key;
pub mod law;
mod scope;

pub use added::{AddedNoise, Parameters};
pub use covariance::{CovarianceError, NoiseCovariance};
pub use draw::{
    host_normal, host_uniform, normal, normal_at, normal_like, normal_rows, permutation, sign,
    uniform, uniform_rows,
};
pub use examples::Examples;
pub use key::{Key, ParseKeyError};
pub use law::Convention;
pub use scope::{Noise, Scope, current_examples, current_noise, layer_key, scope, scope_at};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
