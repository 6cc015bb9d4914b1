//! A model of any kind that the library has.

#[cfg(feature = "binary")]
use super::{DenseNet, DenseNetConfig};
use super::{Normalize, NormalizeConfig, ResNet, ResNetConfig};
use crate::NoiseError;
use burn::config::Config;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// Configures a [`Network`]: the configuration of a model, of whichever kind.
///
/// It saves as that configuration alone, and loads by what only one of them has.
///
/// ```
/// use cni_layers::models::{NetworkConfig, ResNetConfig};
/// let text = serde_json::to_string(&ResNetConfig::cifar(20, 10)).unwrap();
/// let config: NetworkConfig = serde_json::from_str(&text).unwrap();
/// assert_eq!(config, NetworkConfig::from(ResNetConfig::cifar(20, 10)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "a run has one of them")]
pub enum NetworkConfig {
    /// A ResNet.
    ResNet(ResNetConfig),
    /// A dense network.
    #[cfg(feature = "binary")]
    DenseNet(DenseNetConfig),
}

impl Config for NetworkConfig {}

impl From<ResNetConfig> for NetworkConfig {
    fn from(config: ResNetConfig) -> Self {
        Self::ResNet(config)
    }
}

#[cfg(feature = "binary")]
impl From<DenseNetConfig> for NetworkConfig {
    fn from(config: DenseNetConfig) -> Self {
        Self::DenseNet(config)
    }
}

impl<'de> Deserialize<'de> for NetworkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Value::deserialize(deserializer)?;
        #[cfg(feature = "binary")]
        if fields.get("growth").is_some() {
            return serde_json::from_value(fields).map(Self::DenseNet).map_err(D::Error::custom);
        }
        serde_json::from_value(fields).map(Self::ResNet).map_err(D::Error::custom)
    }
}

impl NetworkConfig {
    /// The number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::ResNet(config) => config.classes,
            #[cfg(feature = "binary")]
            Self::DenseNet(config) => config.classes,
        }
    }

    /// Height and width of the images.
    pub fn image_size(&self) -> [usize; 2] {
        match self {
            Self::ResNet(config) => config.image_size,
            #[cfg(feature = "binary")]
            Self::DenseNet(config) => config.image_size,
        }
    }

    /// The first layer, whose number of channels is that of the images.
    pub fn normalize(&self) -> &NormalizeConfig {
        match self {
            Self::ResNet(config) => &config.normalize,
            #[cfg(feature = "binary")]
            Self::DenseNet(config) => &config.normalize,
        }
    }

    /// True if two passes over the same images can differ.
    pub fn is_stochastic(&self) -> bool {
        match self {
            Self::ResNet(config) => config.is_stochastic(),
            #[cfg(feature = "binary")]
            Self::DenseNet(_) => false,
        }
    }

    /// The model.
    ///
    /// # Errors
    ///
    /// Those of its configuration's `try_init`.
    pub fn try_init(&self, device: &Device) -> Result<Network, NoiseError> {
        Ok(match self {
            Self::ResNet(config) => Network::ResNet(config.try_init(device)?),
            #[cfg(feature = "binary")]
            Self::DenseNet(config) => Network::DenseNet(config.try_init(device)?),
        })
    }
}

/// A model of any kind that the library has. Made by [`NetworkConfig`].
///
/// To whoever walks over its parameters it is the model itself: paths, ids and records are the
/// same.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a program has few of them")]
pub enum Network {
    /// A ResNet.
    ResNet(ResNet),
    /// A dense network.
    #[cfg(feature = "binary")]
    DenseNet(DenseNet),
}

/// A call of each kind's own.
macro_rules! each {
    ($network:expr, $model:ident => $call:expr) => {
        match $network {
            Network::ResNet($model) => $call,
            #[cfg(feature = "binary")]
            Network::DenseNet($model) => $call,
        }
    };
}

/// The network of a call of each kind's own that gives the model back.
macro_rules! map {
    ($network:expr, $model:ident => $call:expr) => {
        match $network {
            Network::ResNet($model) => Network::ResNet($call),
            #[cfg(feature = "binary")]
            Network::DenseNet($model) => Network::DenseNet($call),
        }
    };
}

impl Network {
    /// Logits of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - logits: `[batch, classes]`
    ///
    /// # Panics
    ///
    /// If the images have another number of channels than the model.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        each!(self, model => model.forward(images))
    }

    /// The first layer.
    pub fn normalize(&self) -> &Normalize {
        each!(self, model => &model.normalize)
    }
}

impl Module for Network {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        each!(self, model => model.visit(visitor))
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        map!(self, model => model.map(mapper))
    }

    fn to_device(self, device: &Device) -> Self {
        map!(self, model => model.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        map!(self, model => model.fork(device))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        each!(self, model => model.collect_devices(devices))
    }

    fn materialize(self) -> Self {
        map!(self, model => model.materialize())
    }

    fn valid(&self) -> Self {
        map!(self, model => model.valid())
    }

    fn train(self) -> Self {
        map!(self, model => model.train())
    }
}

impl ModuleDisplayDefault for Network {
    fn content(&self, content: Content) -> Option<Content> {
        each!(self, model => ModuleDisplayDefault::content(model, content))
    }
}

impl ModuleDisplay for Network {}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, model => fmt::Display::fmt(model, f))
    }
}
