//! Displacement fields that stand for true motion: what an adversary learns to tell predictions
//! from. The published study took finite-element simulations of the prostate; these are simpler.
//!
//! - [`SmoothFields`]: blurred normal draws;
//! - [`SplineFields`]: B-splines with normal coefficients;
//! - [`GlandMotion`]: an elastic body in 2-D with a stiffer gland, by the finite elements of
//!   [`elastic`];
//! - [`FieldBank`]: fields that were made before.

mod bank;
pub mod elastic;
mod gland;
mod smooth;
mod source;
mod spline;

pub use bank::FieldBank;
pub use gland::{Gland, GlandMotion};
pub use smooth::SmoothFields;
pub use source::FieldSource;
pub use spline::SplineFields;
