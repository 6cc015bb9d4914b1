//! The flags that describe a model, and the configuration they stand for.

mod noise;
mod saved;

pub use noise::{Kind, NoiseFlags};
pub use saved::{Asked, config_of_run};

use crate::data::{About, Dataset};
use crate::given::Idle;
use crate::values::{depth, named, one_of, width};
use clap::Args;
use cni_burn::layers::NoiseError;
use cni_burn::prelude::{Architecture, NormalizeConfig, ResNetConfig, Shortcut};
use serde::{Deserialize, Serialize};

/// The flags of a model and of the data set that it is for.
///
/// They are read from runs too: one whose command was an example of an earlier version has them in
/// the place of the model's configuration.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub struct ModelFlags {
    /// The data set. For a run it is the one that the run was trained on.
    #[arg(long, value_enum, default_value_t = Dataset::Cifar10)]
    pub dataset: Dataset,
    /// The family.
    #[arg(long, default_value = "cifar", value_parser = one_of(Architecture::FAMILIES))]
    pub family: String,
    /// Depth of a CIFAR ResNet: 6n + 2, such as 20, 32, 44, 56 or 110.
    #[arg(long, default_value_t = 20, value_parser = depth)]
    pub depth: usize,
    /// Multiplies the channels.
    #[arg(long, default_value_t = 1.0, value_parser = width)]
    pub width: f64,
    /// Shortcut of a CIFAR ResNet: `projection` is CNI's, `pad-end` PNI's; `pad-both` is that of
    /// most published ones, such as akamaster's.
    #[arg(long, default_value_t = Shortcut::Projection, value_parser = named(Shortcut::ALL))]
    pub shortcut: Shortcut,
    /// Normalization of the pixels: cni, cifar10, imagenet, centered, none, or numbers, the means,
    /// a slash and the standard deviations, such as 0.49,0.48,0.45/0.25,0.24,0.26. By default cni
    /// for CIFAR, and centered for all else.
    #[arg(long, allow_hyphen_values = true)]
    #[serde(default)]
    pub normalization: Option<String>,
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
        let mut architecture: Architecture = self.family.parse()?;
        if let Architecture::Cifar { depth, shortcut } = &mut architecture {
            (*depth, *shortcut) = (self.depth, self.shortcut);
        }
        let [_, height, width] = images.shape;
        Ok(ResNetConfig::new(architecture, images.classes)
            .with_width(self.width)
            .with_images([height, width], self.normalize(images)?)
            .with_noise(self.noise.model_noise()))
    }

    fn normalize(&self, images: &About) -> Result<NormalizeConfig, NoiseError> {
        images.normalize(self.normalization.as_deref())
    }

    /// Flags that the others leave without effect.
    pub fn idle(&self) -> Vec<Idle<'static>> {
        let mut all = vec![Idle {
            when: self.family != "cifar",
            flags: &["depth", "shortcut"],
            because: "this --family has but one of them",
        }];
        all.extend(self.noise.idle());
        all
    }
}
