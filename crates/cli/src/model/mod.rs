//! The flags that describe a model, and the configuration they stand for.

mod dense;
mod noise;
mod saved;

pub use dense::{DENSE_NET, DenseFlags};
pub use noise::{Kind, NoiseFlags};
pub use saved::{Asked, config_of_run};

use crate::data::{About, Dataset};
use crate::given::{Given, Idle};
use crate::values::{band, depth, named, one_of, width};
use clap::Args;
use clap::builder::PossibleValuesParser;
use cni_burn::layers::NoiseError;
use cni_burn::layers::band_limited::BandLimitedInputConfig;
use cni_burn::layers::models::{DenseNetConfig, NetworkConfig};
use cni_burn::prelude::{Activation, Architecture, NormalizeConfig, ResNetConfig, Shortcut};
use cni_burn::training::{Recipe, RecipeError};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

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
    /// ResNets (WRN-28-10 is `--family wrn --width 10`), the network of airbench at half its
    /// width, or dense networks of binary units.
    #[arg(long, default_value = "cifar", value_parser = families())]
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
    pub dense: DenseFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub noise: NoiseFlags,
}

fn families() -> PossibleValuesParser {
    PossibleValuesParser::new(Architecture::FAMILIES.iter().copied().chain([DENSE_NET]))
}

impl ModelFlags {
    /// The flags that dense networks do not have.
    pub const OF_RESNETS: &[&str] = &["depth", "width", "shortcut", "activation", "band", "norm"];

    /// The configuration of the model that the flags describe, for images of some kind.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] for a normalization that is none, or is not for images of that kind, and for
    /// a setting that the family does not have.
    pub fn config(&self, images: &About) -> Result<NetworkConfig, NoiseError> {
        if let Some((field, got, wanted)) = self.foreign() {
            return Err(NoiseError::Model { field, got, wanted });
        }
        match self.is_dense() {
            true => Ok(self.dense_net(images)?.into()),
            false => Ok(self.res_net(images)?.into()),
        }
    }

    /// True for the family of dense networks.
    pub fn is_dense(&self) -> bool {
        self.family == DENSE_NET
    }

    fn dense_net(&self, images: &About) -> Result<DenseNetConfig, NoiseError> {
        let [_, height, width] = images.shape;
        let config = self.dense.config(images.classes);
        Ok(config.with_images([height, width], self.normalize(images)?))
    }

    /// A setting that the family does not have: its name, its value and what is wanted. Flags are
    /// refused before; it comes from a recipe.
    fn foreign(&self) -> Option<(&'static str, String, &'static str)> {
        if !self.is_dense() {
            let (field, got) = self.dense.first()?;
            return Some((field, got, "it left out: only the family dense-net has it"));
        }
        let wanted = "it left out: dense networks have none";
        let other = |differs: bool, value: &dyn Display| differs.then(|| value.to_string());
        let (shortcut, noise) = (self.shortcut, self.noise.noise);
        [
            ("depth", self.depth.map(|depth| depth.to_string())),
            ("width", other(self.width != 1.0, &self.width)),
            ("shortcut", other(shortcut != Shortcut::Projection, &shortcut)),
            ("activation", self.activation.map(|activation| activation.to_string())),
            ("band", self.band.clone()),
            ("norm", other(self.norm != BATCH, &self.norm)),
            ("noise", other(noise != Kind::None, &noise)),
        ]
        .into_iter()
        .find_map(|(field, got)| Some((field, got?, wanted)))
    }

    /// The configuration of a ResNet.
    ///
    /// # Errors
    ///
    /// [`NoiseError`], as of [`config`](Self::config).
    pub fn res_net(&self, images: &About) -> Result<ResNetConfig, NoiseError> {
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
        let dense = self.is_dense();
        let depths = self.architecture().is_ok_and(|architecture| architecture.depth().is_some());
        let mut all = vec![
            Idle { when: dense, flags: Self::OF_RESNETS, because: "--family dense-net has none" },
            Idle {
                when: !dense,
                flags: DenseFlags::FLAGS,
                because: "only --family dense-net has it",
            },
            one(!dense && !depths, &["depth"]),
            one(!dense && self.family != "cifar", &["shortcut"]),
        ];
        all.extend(self.noise.idle());
        all
    }
}

/// A recipe whose model has become one of another kind by a flag, without the settings that only
/// the kind before had.
pub fn without_foreign(
    mut recipe: Recipe,
    base: &Recipe,
    given: &Given,
) -> Result<Recipe, RecipeError> {
    let kind = |recipe: &Recipe| recipe.model().get("family").is_some_and(|name| name == DENSE_NET);
    let dense = kind(&recipe);
    if dense == kind(base) {
        return Ok(recipe);
    }
    let foreign = if dense { ModelFlags::OF_RESNETS } else { DenseFlags::FLAGS };
    for field in foreign {
        if recipe.model().contains_key(*field) && !given.has(field) {
            recipe = recipe.with(&format!("model.{field}"), "")?;
        }
    }
    Ok(recipe)
}
