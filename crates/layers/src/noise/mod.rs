//! Noise on the weights and activations of any module.

mod activation;
mod amplify;
mod covariance;
mod layer;
mod learned;
mod spec;
mod summary;
mod weight;

pub use activation::{ActivationNoise, ActivationNoiseConfig, Per};
pub use amplify::amplify_noise;
pub use covariance::{CovarianceError, noise_amplitudes, noise_covariances};
pub use layer::{
    LayerNoise, Noisy, NoisyConv2d, NoisyConv2dConfig, NoisyLinear, NoisyLinearConfig,
};
pub use learned::LearnedNoise;
pub use summary::{NoiseEntry, NoiseSummary};
pub use weight::WeightNoise;

pub(crate) use spec::Spec;
