//! The model of a run, beside the flags that were given.

use super::{BATCH, DENSE_NET, DenseFlags, GROUP, ModelFlags, NoiseFlags};
use crate::data::{About, Dataset};
use crate::given::Given;
use cni_burn::layers::band_limited::{Band, BandLimitedInputConfig};
use cni_burn::layers::models::{DenseNetConfig, NetworkConfig, NormKind};
use cni_burn::prelude::{Architecture, ResNetConfig, Shortcut};
use cni_burn::run::{RunError, run_config};
use cni_burn::training::CheckpointSelector;
use serde_json::Value;
use std::error::Error;
use std::path::Path;

/// The configuration of a run's model, as a checkpoint tells it or, without one, the file
/// `model.json`.
pub fn config_of_run(
    run: &Path,
    selector: CheckpointSelector,
) -> Result<NetworkConfig, Box<dyn Error>> {
    match run_config(run, selector) {
        // Its command was an example, which described models by its flags.
        Err(RunError::Flags { flags, .. }) => {
            let flags: ModelFlags = serde_json::from_value(flags)
                .map_err(|error| format!("{}: flags of its model: {error}", run.display()))?;
            Ok(flags.config(&flags.dataset.about())?)
        }
        config => Ok(config?),
    }
}

/// The flags that were asked of the model of a run.
pub struct Asked<'a> {
    pub flags: &'a ModelFlags,
    /// True if its images are those of a folder.
    pub folder: bool,
    pub given: &'a Given,
    /// True if flags that were not given count too, with their defaults.
    pub defaults: bool,
}

impl Asked<'_> {
    /// Refuses flags that describe another model than the run's.
    pub fn agrees_with(&self, config: &NetworkConfig, run: &Path) -> Result<(), Box<dyn Error>> {
        let Self { flags, folder, given, defaults } = *self;
        let images = if folder { About::of_model(config) } else { flags.dataset.about() };
        let mut asked = serde_json::to_value(flags)?;
        // A flag that is not given stands for its value in the family.
        let dense = match flags.is_dense() {
            true => flags.dense.or_default(),
            false => flags.dense.clone(),
        };
        for (field, text) in dense.texts() {
            asked[field] = text.into();
        }
        if !flags.is_dense() {
            let architecture = flags.architecture()?;
            if flags.activation.is_none() {
                asked["activation"] = architecture.activation().to_string().into();
            }
            if flags.depth.is_none() {
                asked["depth"] = depth_of(architecture);
            }
        }
        asked["band"] = match &flags.band {
            Some(band) => band.parse::<Band>()?.to_string().into(),
            None => Value::Null,
        };
        // Two texts may name the same numbers. One that names none is told as it is.
        if let Ok(normalize) = flags.normalize(&images) {
            asked["normalization"] = normalize.to_string().into();
        }
        let mut saved = match config {
            NetworkConfig::ResNet(config) => flags_of(config)?,
            NetworkConfig::DenseNet(config) => flags_of_dense(config)?,
        };
        if folder && let Some(saved) = saved.as_object_mut() {
            saved.remove("dataset");
        }
        for value in [&mut asked, &mut saved].into_iter().filter_map(Value::as_object_mut) {
            for field in value.values_mut().filter(|field| field.is_null()) {
                *field = LEFT_OUT.into();
            }
        }
        let because = format!("{} was trained so", run.display());
        Ok(given.agree(&asked, &saved, defaults, &because)?)
    }
}

/// The flags that a configuration stands for. What no flag gives is told as such.
fn flags_of(config: &ResNetConfig) -> serde_json::Result<Value> {
    let shortcut = match config.architecture {
        Architecture::Cifar { shortcut, .. } => shortcut,
        _ => Shortcut::Projection,
    };
    let dataset = Dataset::of(&config.clone().into());
    let noise = NoiseFlags::of(&config.noise);
    let mut flags = serde_json::to_value(ModelFlags {
        dataset: dataset.unwrap_or(Dataset::Cifar10),
        family: config.architecture.family().to_string(),
        depth: None,
        width: config.width,
        shortcut,
        activation: Some(config.activation()),
        normalization: Some(config.normalize.to_string()),
        band: None,
        dense: DenseFlags::default(),
        norm: BATCH.to_string(),
        noise: noise.clone().unwrap_or_else(NoiseFlags::none),
    })?;
    flags["depth"] = depth_of(config.architecture);
    if dataset.is_none() {
        flags["dataset"] = "the images of a folder".into();
    }
    flags["band"] = band_of(config);
    flags["norm"] = norm_of(config).into();
    if noise.is_none() {
        flags["noise"] = "what no flags describe".into();
    }
    Ok(flags)
}

/// The flags that the configuration of a dense network stands for. It has none of the others.
fn flags_of_dense(config: &DenseNetConfig) -> serde_json::Result<Value> {
    let dataset = Dataset::of(&config.clone().into());
    let mut flags = serde_json::to_value(ModelFlags {
        dataset: dataset.unwrap_or(Dataset::Cifar10),
        family: DENSE_NET.to_string(),
        depth: None,
        width: 1.0,
        shortcut: Shortcut::Projection,
        activation: None,
        normalization: Some(config.normalize.to_string()),
        band: None,
        norm: BATCH.to_string(),
        dense: DenseFlags::default(),
        noise: NoiseFlags::none(),
    })?;
    for (field, text) in DenseFlags::of(config).texts() {
        flags[field] = text.into();
    }
    if dataset.is_none() {
        flags["dataset"] = "the images of a folder".into();
    }
    Ok(flags)
}

/// The flag of what a model does not have, for a message.
const LEFT_OUT: &str = "it left out";

/// The band as a flag has it.
fn band_of(config: &ResNetConfig) -> Value {
    match &config.band {
        None => Value::Null,
        Some(input) if *input == BandLimitedInputConfig::new(input.limit.band) => {
            input.limit.band.to_string().into()
        }
        Some(_) => "what no flag describes".into(),
    }
}

/// The norms as a flag has them.
fn norm_of(config: &ResNetConfig) -> &'static str {
    match config.norm {
        NormKind::Batch => BATCH,
        norm if norm == config.clone().without_batch_norm().norm => GROUP,
        _ => "what no flag describes",
    }
}

/// The depth as a flag has it.
fn depth_of(architecture: Architecture) -> Value {
    architecture.depth().into()
}
