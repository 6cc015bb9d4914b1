//! Chains in half precision against the same layers in full precision.

mod agreement;
mod independence;
mod net;
mod noise;
mod obstacles;
