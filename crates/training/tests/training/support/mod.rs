//! What several tests share: networks and runs of them, how models compare, reference values.

pub mod broken_off;
pub mod conv_net;
mod distance;
pub mod linear_net;
mod numbers;
mod reference;

pub use distance::distance;
pub use numbers::numbers;
pub use reference::{list, reference};
