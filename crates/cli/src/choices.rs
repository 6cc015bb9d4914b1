//! Choices of the model flags.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    Cifar10,
    Cifar100,
    /// The embedded 8x8 digits.
    Digits,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// CIFAR ResNets of depth 6n + 2.
    Cifar,
    /// ResNet-18 for small images.
    Resnet18,
    /// ResNet-18 of pre-activation blocks.
    Preact18,
}

#[derive(Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    Projection,
    /// Channels of zeros behind the others.
    #[serde(alias = "pad")]
    #[value(alias = "pad")]
    PadEnd,
    /// Channels of zeros on both sides.
    PadBoth,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// No noise.
    None,
    /// White noise.
    Pni,
    /// Colored noise.
    Cni,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Weights of all layers.
    Weights,
    /// Inputs of the convolutions: PNI's A-b.
    Inputs,
    /// Outputs of the convolutions: PNI's A-a.
    Outputs,
    /// The normalized image.
    Image,
}

#[derive(Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    Layer,
    Channel,
    Element,
}

#[derive(Clone, Copy, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    #[default]
    Reference,
    Scaled,
}
