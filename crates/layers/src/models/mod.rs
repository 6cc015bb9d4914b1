//! Image classifiers with noise as configuration.

mod block;
mod import;
mod normalize;
mod resnet;

pub use block::{Block, Downsample};
pub use normalize::Normalize;
pub use resnet::{Architecture, ModelNoise, ResNet, ResNetConfig, Shortcut};
