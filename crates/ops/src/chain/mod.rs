//! Chains of layers, which run as one operation in half precision.

#[cfg(feature = "flex")]
mod backward;
#[cfg(feature = "flex")]
mod compile;
#[cfg(feature = "flex")]
mod convolution;
#[cfg(feature = "flex")]
mod forward;
mod layers;
mod noise;
mod obstacle;
#[cfg(feature = "flex")]
mod operation;
#[cfg(feature = "flex")]
mod plan;
#[cfg(feature = "flex")]
mod run;
mod steps;
#[cfg(feature = "flex")]
mod tables;
#[cfg(all(test, feature = "flex"))]
mod tests;

pub use noise::ChainNoise;
pub use obstacle::{Obstacle, ObstacleReason};
pub use steps::{Chain, Value};

#[cfg(feature = "flex")]
pub(crate) use forward::Wanted;
#[cfg(feature = "flex")]
pub(crate) use operation::{ChainState, forward_of};
#[cfg(feature = "flex")]
pub use plan::Plan;
#[cfg(feature = "flex")]
pub(crate) use run::{linear, single};
