//! Activations in half precision, and the passes over them.
//!
//! ```text
//! layout, buffer      which value lies where: cells of 32 images by 32 lanes in bfloat16
//! correlation         which cells a cell is computed from, and which weights lie between them
//! weights             weights in the order in which they are read
//! sources ──► pass    where the values of a pass come from, and what happens to them on their
//!                     way to memory: shift, sum, rectifier, gate, sums for a batch norm
//! weight_gradient     the products of gradients and inputs, summed over images and positions
//! kernel/             the instructions: AMX, AVX-512 for bfloat16, or vectors of any width
//! ```

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
pub use mean::{images_sum, positions_mean};
pub use pass::{Epilogue, Passed, Source, Sum, pass};
pub use sources::{NormGradient, Plain, Product, Scaled, Shifted, Spread};
pub use weight_gradient::weight_gradient;
pub use weights::Weights;
