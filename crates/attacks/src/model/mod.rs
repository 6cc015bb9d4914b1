//! What is attacked: classifiers, frozen models, inputs of any rank, gradients through what has
//! none.

mod any_rank;
mod bpda;
mod classifier;
mod fixed_noise;

pub use self::any_rank::AnyRank;
pub use self::bpda::{bpda, straight_through};
pub use self::classifier::{Classifier, FrozenModel};
pub use self::fixed_noise::FixedNoise;
