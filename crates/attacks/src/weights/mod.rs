//! Perturbations of a model's weights, each layer's relative to its norm: the threat behind robust
//! flatness (Stutz et al., ICCV 2021) and adversarial weight perturbation (Wu et al., arXiv
//! 2004.05884), for Burn modules of every type.
//!
//! | part | holds |
//! | --- | --- |
//! | [`Layer`], [`layers`] | what a tensor of a model is: a weight, a norm's, noise, a statistic |
//! | [`relative`], [`within_ball`], [`norm`] | the arithmetic of one layer |
//! | [`LayerValues`] | a flat tensor for each of some layers: weights, gradients, changes |
//! | [`WeightThreat`], [`relative_step`] | ball and sphere: random points, projections, steps |
//! | [`visit_floats`], [`map_floats`], [`with_weights`] | walks over parameters by their paths |

mod layer;
mod relative;
mod threat;
mod values;
mod walk;

pub use self::layer::{Layer, has_noise, layers};
pub use self::relative::{norm, relative, within_ball};
pub use self::threat::{WeightRegion, WeightThreat, relative_step};
pub use self::values::LayerValues;
pub use self::walk::{MapFloat, VisitFloat, flat, map_floats, visit_floats, with_weights};
