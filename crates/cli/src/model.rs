//! The flags that describe a model and its data. They are saved with a run, as one value, and so
//! are in one file.

use crate::args::Source;
use crate::choices::{Connection, Dataset, Family, Kind, Place, Share, Size};
use crate::given::{Given, Idle};
use crate::values::{depth, epsilon, width};
use burn::tensor::Device;
use clap::Args;
use cni_burn::data::{DataError, ImageData, Split, cifar10, cifar100, digits};
use cni_burn::layers::NoiseError;
use cni_burn::prelude::*;
use cni_burn::training::{CheckpointFault, CheckpointInfo, TrainingError, Which, checkpoint_info};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error;
use std::path::Path;

/// The model, and the data it is for.
#[derive(Args, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The data set.
    #[arg(long, value_enum, default_value_t = Dataset::Cifar10)]
    pub dataset: Dataset,
    /// The family.
    #[arg(long, value_enum, default_value_t = Family::Cifar)]
    pub family: Family,
    /// Depth of a CIFAR ResNet: 6n + 2, such as 20, 32, 44, 56 or 110.
    #[arg(long, default_value_t = 20, value_parser = depth)]
    pub depth: usize,
    /// Multiplies the channels.
    #[arg(long, default_value_t = 1.0, value_parser = width)]
    pub width: f64,
    /// Shortcut of a CIFAR ResNet: `projection` is CNI's, `pad-end` PNI's; `pad-both` is that of
    /// most published ones, such as akamaster's.
    #[arg(long, value_enum, default_value_t = Connection::Projection)]
    pub shortcut: Connection,
    /// Normalization of the pixels: cni, cifar10, imagenet, centered, none, or numbers, the means,
    /// a slash and the standard deviations, such as 0.49,0.48,0.45/0.25,0.24,0.26. By default cni,
    /// and centered for the digits.
    #[arg(long, allow_hyphen_values = true)]
    #[serde(default)]
    pub normalization: Option<String>,
    /// The noise law.
    #[arg(long, value_enum, default_value_t = Kind::Cni)]
    pub noise: Kind,
    /// Where the noise is; several may be given, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "weights")]
    pub place: Vec<Place>,
    /// Rank of CNI's noise.
    #[arg(long, default_value_t = 5)]
    pub rank: usize,
    /// How the noise's size follows that of the weights: `reference` is the authors', `scaled`
    /// starts milder and suits short runs.
    #[arg(long, value_enum, default_value_t = Size::Reference)]
    #[serde(default)]
    pub convention: Size,
    /// What shares an amplitude of PNI's noise.
    #[arg(long, value_enum, default_value_t = Share::Layer)]
    pub granularity: Share,
    /// Largest change of a pixel: a fraction such as 8/255, or a number.
    #[arg(long, default_value = "8/255", value_parser = epsilon)]
    pub epsilon: f64,
}

impl Model {
    /// The flags that a run was trained with, as a checkpoint tells them. They must be those that
    /// were given, but for ε.
    pub fn of_run(
        run: &Path,
        which: Which,
        asked: &Self,
        given: &Given,
    ) -> Result<Self, Box<dyn Error>> {
        let saved = Self::saved(run, which)?;
        let asked = Self { epsilon: saved.epsilon, ..asked.clone() };
        asked.compare(&saved, run, given, false)?;
        Ok(saved)
    }

    /// Refuses to go on with a run that was begun with other flags.
    pub fn agrees_with(&self, run: &Path, given: &Given) -> Result<(), Box<dyn Error>> {
        self.compare(&Self::saved(run, Which::Last)?, run, given, true)
    }

    fn compare(
        &self,
        saved: &Self,
        run: &Path,
        given: &Given,
        defaults: bool,
    ) -> Result<(), Box<dyn Error>> {
        let value = |model: &Self| -> Result<Value, NoiseError> {
            let mut value = serde_json::to_value(model).unwrap_or_default();
            // Two texts may name the same numbers.
            value["normalization"] = model.normalize()?.to_string().into();
            Ok(value)
        };
        let because = format!("{} was trained so", run.display());
        Ok(given.agree(&value(self)?, &value(saved)?, defaults, &because)?)
    }

    /// The flags in a checkpoint, whose checksum is over them too; in the file beside the checkpoints
    /// where there is none or it does not tell them.
    fn saved(run: &Path, which: Which) -> Result<Self, Box<dyn Error>> {
        let absent = |error: &TrainingError| {
            matches!(error, TrainingError::Checkpoint { fault: CheckpointFault::Absent(_), .. })
        };
        match checkpoint_info(run, which) {
            Ok(CheckpointInfo { epoch, model_config: Some(config), .. }) => {
                return serde_json::from_value(config).map_err(|error| {
                    format!("{}: flags of epoch {epoch}: {error}", run.display()).into()
                });
            }
            Err(error) if !absent(&error) => return Err(error.into()),
            _ => {}
        }
        let path = run.join("model.json");
        let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// The model that the flags describe, with new weights.
    pub fn build(&self, device: &Device) -> Result<ResNet, Box<dyn Error>> {
        Ok(self.config()?.try_init(device)?)
    }

    /// The configuration of the model that the flags describe.
    pub fn config(&self) -> Result<ResNetConfig, NoiseError> {
        let shortcut = match self.shortcut {
            Connection::Projection => Shortcut::Projection,
            Connection::PadEnd => Shortcut::Pad,
            Connection::PadBoth => Shortcut::PadBoth,
        };
        let architecture = match self.family {
            Family::Cifar => Architecture::Cifar { depth: self.depth, shortcut },
            Family::Resnet18 => Architecture::ResNet18,
            Family::Preact18 => Architecture::PreActResNet18,
        };
        let size = if self.dataset == Dataset::Digits { [8, 8] } else { [32, 32] };
        Ok(ResNetConfig::new(architecture, self.classes())
            .with_width(self.width)
            .with_images(size, self.normalize()?)
            .with_noise(self.model_noise()))
    }

    fn normalize(&self) -> Result<NormalizeConfig, NoiseError> {
        let (usual, channels) = match self.dataset {
            Dataset::Digits => ("centered", 1),
            Dataset::Cifar10 | Dataset::Cifar100 => ("cni", 3),
        };
        NormalizeConfig::named(self.normalization.as_deref().unwrap_or(usual), channels)
    }

    /// Flags of a model that these settings leave without effect.
    pub fn idle(&self) -> [Idle<'static>; 5] {
        let idle = |when, flags, because| Idle { when, flags, because };
        let plain = self.noise == Kind::None;
        [
            idle(
                self.family != Family::Cifar,
                &["depth", "shortcut"],
                "this --family has but one of them",
            ),
            idle(
                plain,
                &["place", "rank", "convention", "granularity"],
                "--noise none has nothing to set",
            ),
            idle(self.noise == Kind::Pni, &["rank"], "--noise pni is white"),
            idle(
                self.noise == Kind::Cni,
                &["granularity"],
                "--noise cni has an amplitude for each element",
            ),
            self.idle_source(),
        ]
    }

    /// Flags of the source that these data leave without effect.
    pub fn idle_source(&self) -> Idle<'static> {
        let when = self.dataset == Dataset::Digits;
        Idle { when, flags: &["data", "download"], because: "the digits are part of the program" }
    }

    fn model_noise(&self) -> ModelNoise {
        let granularity = match self.granularity {
            Share::Layer => Granularity::Layer,
            Share::Channel => Granularity::Channel,
            Share::Element => Granularity::Element,
        };
        let scale = match self.convention {
            Size::Reference => NoiseScale::Reference,
            Size::Scaled => NoiseScale::Relative,
        };
        let (mut weights, activations) = match self.noise {
            Kind::None => return ModelNoise::none(),
            Kind::Pni => (ModelNoise::pni(granularity), ActivationNoiseConfig::white(granularity)),
            Kind::Cni => (ModelNoise::cni(self.rank), ActivationNoiseConfig::colored(self.rank)),
        };
        for noise in [&mut weights.weight, &mut weights.classifier] {
            *noise = noise.take().map(|noise| noise.with_scale(scale));
        }
        let activations = activations.with_scale(scale);
        let has = |place| self.place.contains(&place);
        let mut noise = if has(Place::Weights) { weights } else { ModelNoise::none() };
        for (place, slot) in [
            (Place::Inputs, &mut noise.conv_input),
            (Place::Outputs, &mut noise.conv_output),
            (Place::Image, &mut noise.input),
        ] {
            *slot = has(place).then(|| activations.clone());
        }
        noise
    }

    fn classes(&self) -> usize {
        match self.dataset {
            Dataset::Cifar100 => 100,
            Dataset::Cifar10 | Dataset::Digits => 10,
        }
    }

    pub fn load(&self, source: &Source, split: Split) -> Result<ImageData, DataError> {
        if source.download {
            download(self.dataset, source)?;
        }
        match self.dataset {
            Dataset::Cifar10 => cifar10(&source.data, split),
            Dataset::Cifar100 => cifar100(&source.data, split),
            Dataset::Digits => Ok(digits(split)),
        }
    }
}

#[cfg(feature = "download")]
fn download(dataset: Dataset, source: &Source) -> Result<(), DataError> {
    use cni_burn::data::{download_cifar10, download_cifar100};
    match dataset {
        Dataset::Cifar10 => download_cifar10(&source.data).map(drop),
        Dataset::Cifar100 => download_cifar100(&source.data).map(drop),
        Dataset::Digits => Ok(()),
    }
}

/// The flag is refused before.
#[cfg(not(feature = "download"))]
fn download(_dataset: Dataset, _source: &Source) -> Result<(), DataError> {
    Ok(())
}
