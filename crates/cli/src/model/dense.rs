//! The flags of a dense network.

use crate::values::{count, reduction};
use clap::{Args, ValueEnum};
use cni_burn::layers::models::{DenseNetConfig, DenseUnits};
use serde::{Deserialize, Serialize};

/// The family of dense networks.
pub const DENSE_NET: &str = "dense-net";

/// The kind of the units.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// Signs of inputs times signs of weights.
    Binary,
    /// Rectifiers and convolutions in full precision.
    Full,
}

/// The flags of a dense network; what is left out is as in BinaryDenseNet-28.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DenseFlags {
    /// Units of each stage of a dense network, by default 6,6,6,5.
    #[arg(long, value_delimiter = ',', value_parser = count)]
    #[serde(default)]
    pub blocks: Option<Vec<usize>>,
    /// Divisors of a dense network's channels behind each stage but the last, by default
    /// 2.7,2.7,2.2. The channels are the nearest multiple of 32.
    #[arg(long, value_delimiter = ',', value_parser = reduction)]
    #[serde(default)]
    pub reductions: Option<Vec<f64>>,
    /// Channels that each unit of a dense network adds, by default 64.
    #[arg(long, value_parser = count)]
    #[serde(default)]
    pub growth: Option<usize>,
    /// Channels of a dense network's first convolution, by default 64.
    #[arg(long, value_parser = count)]
    #[serde(default)]
    pub channels: Option<usize>,
    /// Units of a dense network, by default binary.
    #[arg(long, value_enum)]
    #[serde(default)]
    pub units: Option<Units>,
}

impl DenseFlags {
    /// The names of the flags.
    pub const FLAGS: &[&str] = &["blocks", "reductions", "growth", "channels", "units"];

    /// The configuration that the flags describe, with images as of CIFAR.
    pub fn config(&self, classes: usize) -> DenseNetConfig {
        let Self { blocks, reductions, growth, channels, units } = self;
        let mut config = DenseNetConfig::binary_28(classes).for_cifar();
        if blocks.is_some() || reductions.is_some() {
            let blocks = blocks.clone().unwrap_or(config.blocks.clone());
            let reductions = reductions.clone().unwrap_or(config.reductions.clone());
            config = config.with_blocks(blocks, reductions);
        }
        config.growth = growth.unwrap_or(config.growth);
        config.channels = channels.unwrap_or(config.channels);
        match units {
            Some(Units::Full) => config.with_units(DenseUnits::Full),
            Some(Units::Binary) | None => config,
        }
    }

    /// The flags that describe a configuration.
    pub fn of(config: &DenseNetConfig) -> Self {
        Self {
            blocks: Some(config.blocks.clone()),
            reductions: Some(config.reductions.clone()),
            growth: Some(config.growth),
            channels: Some(config.channels),
            units: Some(match config.units {
                DenseUnits::Full => Units::Full,
                DenseUnits::Binary { .. } => Units::Binary,
            }),
        }
    }

    /// The same with the defaults in the place of what is left out.
    pub fn or_default(&self) -> Self {
        Self::of(&self.config(2))
    }

    /// The flags as they are written on the command line: lists are in order.
    pub fn texts(&self) -> Vec<(&'static str, Option<String>)> {
        fn list<T: ToString>(all: &Option<Vec<T>>) -> Option<String> {
            let texts = all.as_ref()?.iter().map(T::to_string);
            Some(texts.collect::<Vec<_>>().join(","))
        }
        let Self { blocks, reductions, growth, channels, units } = self;
        let name = |units: Units| Some(units.to_possible_value()?.get_name().to_string());
        let all = [
            list(blocks),
            list(reductions),
            growth.map(|growth| growth.to_string()),
            channels.map(|channels| channels.to_string()),
            units.and_then(name),
        ];
        Self::FLAGS.iter().copied().zip(all).collect()
    }

    /// The first flag that is not left out, with its value.
    pub fn first(&self) -> Option<(&'static str, String)> {
        self.texts().into_iter().find_map(|(name, text)| Some((name, text?)))
    }
}
