//! Noisy models in the browser: what they predict, how they are attacked, and how they are judged.
//!
//! A [`Session`] is a model of the library's own weights, with everything that the page asks of it.
//! Its results are functions of pixels, settings and a key, the same here as in WebAssembly up to
//! rounding. `bindings`, on `wasm32` alone, hands it to JavaScript.
//!
//! | module | holds |
//! | --- | --- |
//! | `catalog` | the models, by name |
//! | `session` | a model and its images; predictions |
//! | `description` | what there is to know of a model |
//! | `attack` | the attacks, and each step of theirs |
//! | `judgement` | how often a model is right, with an interval |
//! | `noise` | what noise a layer has learned |
//! | `pictures` | pictures for the models of CIFAR-10 |
//! | `code` | the program that does the same |

mod attack;
#[cfg(target_arch = "wasm32")]
mod bindings;
mod catalog;
mod code;
mod description;
mod error;
mod judgement;
mod noise;
mod pictures;
mod session;

pub use attack::{AttackSettings, Method, Moved};
pub use catalog::{CATALOG, Entry};
pub use description::{Description, Example, Layer};
pub use error::PageError;
pub use judgement::Summary;
pub use noise::LayerNoise;
pub use session::Session;
