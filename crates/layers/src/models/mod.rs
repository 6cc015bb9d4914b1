//! Image classifiers with noise as configuration.

mod activation;
mod architecture;
mod block;
mod build;
mod config;
#[cfg(feature = "binary")]
mod dense_net;
mod import;
mod model_noise;
mod network;
mod norm;
mod normalize;
mod resnet;

pub use activation::Activation;
pub use architecture::{Architecture, Shortcut};
pub use block::{Block, Downsample};
pub use config::ResNetConfig;
#[cfg(all(feature = "binary", feature = "flex"))]
pub use dense_net::PackedDenseNet;
#[cfg(feature = "binary")]
pub use dense_net::{
    DenseConv, DenseNet, DenseNetConfig, DenseStem, DenseUnit, DenseUnits, Transition,
};
pub use import::ImportReport;
pub use model_noise::ModelNoise;
pub use network::{Network, NetworkConfig};
pub use norm::{Norm, NormKind};
pub use normalize::{Normalize, NormalizeConfig};
pub use resnet::ResNet;
