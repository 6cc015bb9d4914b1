//! Keyed random draws, the noise scope and the noise laws of cni-burn.
//!
//! The book has a chapter on it: [Make your own model noisy][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/noisy.md
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
//! - [`ExampleIds`]: the ids of a batch's examples, for draws of each example by itself;
//! - [`host_sample`], [`Key::generator`]: draws on the host from any distribution of `rand_distr`;
//! - [`laws`]: white, colored and multiplicative noise with their exact covariance, and the trait
//!   for laws of one's own;
//! - [`AddedNoise`]: such noise drawn, scaled and added in one operation.

mod added;
mod draw;
mod example_ids;
mod generator;
mod key;
pub mod laws;
mod named;
mod scope;

pub use added::AddedNoise;
pub use draw::{
    host_normal, host_uniform, normal, normal_at, normal_like, normal_rows, permutation, sign,
    uniform, uniform_rows,
};
pub use example_ids::ExampleIds;
pub use generator::{KeyGenerator, host_sample};
pub use key::{Key, ParseKeyError};
pub use laws::{NoiseKind, NoiseLaw, NoiseScale};
pub use named::nearest_name;
pub use scope::{Noise, Scope, current_examples, current_noise, layer_key, scope, scope_at};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
