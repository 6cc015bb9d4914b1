//! Displacement fields: how they move images, how they follow each other, and what they do to
//! space.
//!
//! A field is a tensor `[batch, axes, ..spatial]`, of rank 4 in 2-D and 5 in 3-D. Its component `a`
//! is a displacement along the spatial axis `a`, in voxels. A field `u` stands for the map
//! `x ↦ x + u(x)` and pulls an image back: the warped image has at `x` the value of the image at
//! `x + u(x)`. In registration `x` is a voxel of the fixed image, and `x + u(x)` its place in the
//! moving one. Axes have the order of the tensor's, as in VoxelMorph.

mod affine;
mod compose;
mod distance;
pub(crate) mod grid;
mod integrate;
mod inverse;
mod jacobian;
mod resize;
mod warp;

pub use affine::affine_field;
pub use compose::compose;
pub use distance::mean_distance;
pub use integrate::integrate;
pub use inverse::Inverse;
pub use jacobian::{folds, jacobian_determinant};
pub(crate) use resize::resized;
pub use resize::{resize, resize_field};
pub use warp::{Interpolation, Outside, Sampling, warp};
