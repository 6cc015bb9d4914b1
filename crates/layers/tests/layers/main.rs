//! Noise on weights and activations, noisy layers, and models.

mod activation_noise;
mod amplify;
#[cfg(feature = "band-limited")]
mod band_limited;
#[cfg(feature = "binary")]
mod binary;
mod configs;
mod covariance;
mod custom_law;
mod families;
mod half_precision;
mod half_precision_noise;
mod import;
mod models;
mod multiplicative;
mod normalize;
mod norms;
mod parity;
mod precision;
mod support;
mod training_state;
mod weight_gradients;
mod weight_noise;
mod wrapped_layers;
mod wrappers;
