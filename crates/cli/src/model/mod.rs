//! The flags that describe a model, and the configuration they stand for.

mod noise;
mod saved;

pub use noise::{Kind, NoiseFlags};
pub use saved::{Asked, config_of_run};

use crate::data::{About, Dataset};
use crate::given::Idle;
use crate::values::{band, depth, named, one_of, width};
use clap::Args;
use cni_burn::layers::NoiseError;
use cni_burn::layers::band_limited::BandLimitedInputConfig;
use cni_burn::prelude::{Activation, Architecture, NormalizeConfig, ResNetConfig, Shortcut};
use serde::{Deserialize, Serialize};

/// The norms that a flag names.
pub const BATCH: &str = "batch";
pub const GROUP: &str = "group";

fn batch() -> String {
    BATCH.to_string()
}

/// The flags of a model and of the data set that it is for.
///
/// They are read from runs too: one whose command was an example of an earlier version has them in
/// the place of the model's configuration.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub struct ModelFlags {
    /// The data set. For a run it is the one that the run was trained on.
    #[arg(long, value_enum, default_value_t = Dataset::Cifar10)]
    pub dataset: Dataset,
    /// The family: CIFAR ResNets, ResNet-18 with batch norm after or before convolutions, wide
    /// ResNets (WRN-28-10 is `--family wrn --width 10`), or the network of airbench at half its
    /// width.
    #[arg(long, default_value = "cifar", value_parser = one_of(Architecture::FAMILIES))]
    pub family: String,
    /// Depth of a CIFAR ResNet, 6n + 2, such as 20, 32, 44, 56 or 110, by default 20; or of a wide
    /// one, 6n + 4, such as 28 or 34, by default 28.
    #[arg(long, value_parser = depth)]
    #[serde(default)]
    pub depth: Option<usize>,
    /// Multiplies the channels: of a wide ResNet all but those of the first convolution.
    #[arg(long, default_value_t = 1.0, value_parser = width)]
    pub width: f64,
    /// Shortcut of a CIFAR ResNet: `projection` is CNI's, `pad-end` PNI's; `pad-both` is that of
    /// most published ones, such as akamaster's.
    #[arg(long, default_value_t = Shortcut::Projection, value_parser = named(Shortcut::ALL))]
    pub shortcut: Shortcut,
    /// Activation: by default that of the published networks, gelu for airbench and relu for all
    /// others. In bf16 on a CPU a model with another than relu runs one layer at a time.
    #[arg(long, value_parser = named(Activation::ALL))]
    #[serde(default)]
    pub activation: Option<Activation>,
    /// Normalization of the pixels: cni, cifar10, imagenet, centered, none, or numbers, the means,
    /// a slash and the standard deviations, such as 0.49,0.48,0.45/0.25,0.24,0.26. By default cni
    /// for CIFAR, and centered for all else.
    #[arg(long, allow_hyphen_values = true)]
    #[serde(default)]
    pub normalization: Option<String>,
    /// Frequencies that the inputs of all convolutions keep: a compression rate such as 0.5, two
    /// such as 0.3..0.7 between which it is drawn for each image, or numbers of frequencies of rows
    /// and columns such as 12x12. By default all.
    #[arg(long, value_parser = band)]
    #[serde(default)]
    pub band: Option<String>,
    /// Norms between the layers: `batch`, as published, or `group`, of 32 groups of channels or as
    /// many as there are channels, by which an example's output does not depend on the others.
    #[arg(long, default_value = BATCH, value_parser = one_of(&[BATCH, GROUP]))]
    #[serde(default = "batch")]
    pub norm: String,
    #[command(flatten)]
    #[serde(flatten)]
    pub noise: NoiseFlags,
}

impl ModelFlags {
    /// The configuration of the model that the flags describe, for images of some kind.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] for a normalization that is none, or is not for images of that kind.
    pub fn config(&self, images: &About) -> Result<ResNetConfig, NoiseError> {
        let [_, height, width] = images.shape;
        let config = ResNetConfig::new(self.architecture()?, images.classes)
            .with_width(self.width)
            .with_images([height, width], self.normalize(images)?)
            .with_noise(self.noise.model_noise());
        let config = if self.norm == GROUP { config.without_batch_norm() } else { config };
        let config = match self.activation {
            Some(activation) => config.with_activation(activation),
            None => config,
        };
        Ok(match &self.band {
            Some(band) => config.with_band(BandLimitedInputConfig::new(band.parse()?)),
            None => config,
        })
    }

    fn architecture(&self) -> Result<Architecture, NoiseError> {
        let mut architecture: Architecture = self.family.parse()?;
        if let Some(depth) = self.depth {
            architecture = architecture.with_depth(depth);
        }
        if let Architecture::Cifar { shortcut, .. } = &mut architecture {
            *shortcut = self.shortcut;
        }
        Ok(architecture)
    }

    fn normalize(&self, images: &About) -> Result<NormalizeConfig, NoiseError> {
        images.normalize(self.normalization.as_deref())
    }

    /// Flags that the others leave without effect.
    pub fn idle(&self) -> Vec<Idle<'static>> {
        let one = |when, flags| Idle { when, flags, because: "this --family has but one of them" };
        let depths = self.architecture().is_ok_and(|architecture| architecture.depth().is_some());
        let mut all = vec![one(!depths, &["depth"]), one(self.family != "cifar", &["shortcut"])];
        all.extend(self.noise.idle());
        all
    }
}
