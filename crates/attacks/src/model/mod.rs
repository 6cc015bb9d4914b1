//! The models under attack: classifiers, frozen models, inputs of any rank, fixed noise, and
//! gradients through parts that have none.

mod any_rank;
mod bpda;
mod classifier;
mod fixed_noise;

pub use self::any_rank::AnyRank;
pub use self::bpda::{bpda, straight_through};
pub use self::classifier::{Classifier, FrozenModel};
pub use self::fixed_noise::FixedNoise;
