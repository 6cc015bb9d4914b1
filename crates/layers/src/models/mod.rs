//! Image classifiers with noise as configuration.

mod block;
mod config;
mod import;
mod model_noise;
mod normalize;
mod resnet;

pub use block::{Block, Downsample};
pub use config::{Architecture, ResNetConfig, Shortcut};
pub use import::ImportReport;
pub use model_noise::ModelNoise;
pub use normalize::{Normalize, NormalizeConfig};
pub use resnet::ResNet;
