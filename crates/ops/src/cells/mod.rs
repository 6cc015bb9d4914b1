//! Activations in half precision, and the passes over them.

mod bf16;
mod buffer;
mod correlation;
mod kernel;
mod layout;
mod mean;
mod pass;
mod sources;
#[cfg(test)]
mod tests;
mod weight_gradient;
mod weights;

pub use buffer::{Bits, Cells, exact_images};
pub use correlation::{Correlation, Shape};
pub use kernel::Units;
pub use layout::Layout;
pub use mean::positions_mean;
pub use pass::{Epilogue, Passed, Source, Sum, pass};
pub use sources::{NormGradient, Plain, Product, Scaled, Spread};
pub use weight_gradient::weight_gradient;
pub use weights::Weights;
