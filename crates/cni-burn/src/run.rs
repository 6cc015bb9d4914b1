//! A run's model from its folder alone.

use burn::tensor::Device;
use cni_layers::NoiseError;
use cni_layers::models::{ResNet, ResNetConfig};
use cni_training::{
    CheckpointFault, CheckpointInfo, TrainingError, Which, checkpoint_info, load_checkpoint,
};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// A model that a run has trained, and what is known of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The model with the weights of the checkpoint, on the device that was asked for. Its first
    /// layer normalizes the images, and its noise is on.
    pub model: ResNet,
    /// The configuration that it was built from: architecture, normalization and noise.
    pub config: ResNetConfig,
    /// The epoch of the checkpoint, the classes, the history and the configuration of the training.
    pub info: CheckpointInfo,
}

/// The reason why the model of a run cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A checkpoint that is missing or damaged, or is of another model than it says.
    #[error(transparent)]
    Checkpoint(#[from] TrainingError),
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A description of a model that is no [`ResNetConfig`].
    #[error("{path}: {source}")]
    Config {
        /// The run, or the file in it.
        path: PathBuf,
        /// What was found, and what was wanted.
        source: serde_json::Error,
    },
    /// A run whose trainer was not told what its model is.
    #[error(
        "{run}: does not say what its model is, wanted a run of `Trainer::with_model_config`; \
         build the model and use `load_checkpoint`"
    )]
    NoDescription {
        /// The run.
        run: PathBuf,
    },
    /// A run of an earlier version's example `cifar_resnet`, which described models by its flags.
    #[error(
        "{run}: describes its model by the flags of an earlier version's `cifar_resnet`; \
         `cni evaluate --run` reads it, and for `load_run` train it again with `cni train`"
    )]
    Flags {
        /// The run.
        run: PathBuf,
        /// The flags.
        flags: Value,
    },
    /// A configuration from which no model can be built.
    #[error(transparent)]
    Model(#[from] NoiseError),
}

/// The best model of a run: the weights of the epoch that did best on the validation set.
///
/// The folder is enough. It has what the trainer was told of the model by
/// [`Trainer::with_model_config`](cni_training::Trainer::with_model_config), which must be a
/// [`ResNetConfig`]; for a model of another type use
/// [`load_checkpoint`](cni_training::load_checkpoint).
///
/// ```
/// # use burn::tensor::Device;
/// # use cni_burn::data::{Split, digits};
/// use cni_burn::prelude::*;
/// # let device = Device::flex();
/// # let folder = tempfile::tempdir()?;
/// # let key = Key::new(1);
/// # let (train, validation) = digits(Split::Train).take(60).split_validation(20, key)?;
/// let noise = ModelNoise::pni(Granularity::Layer);
/// let config = ResNetConfig::cifar(8, 10)
///     .with_width(0.25)
///     .with_images([8, 8], NormalizeConfig::centered(1))
///     .with_noise(noise);
/// let model = keyed_init(config.init(&device), key);
/// let trainer = Trainer::new(TrainingConfig::new(1, Objective::clean()), &folder)?;
/// let trained = trainer
///     .with_model_config(&config)?
///     .run(model, ResNet::forward, train, validation, &device, Start::Fresh)?;
///
/// // Later, in another program:
/// let run = load_run(&folder, &device)?;
/// assert_eq!(run.config, config);
/// assert_eq!(run.info.classes.len(), 10);
/// assert_eq!(ModelCard::fingerprint_of(&run.model), ModelCard::fingerprint_of(&trained.model));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`RunError`] if there is no whole checkpoint, or it does not say what its model is.
pub fn load_run(run: impl AsRef<Path>, device: &Device) -> Result<Run, RunError> {
    load_run_checkpoint(run, Which::Best, device)
}

/// The model of any checkpoint of a run. Like [`load_run`] for the rest.
pub fn load_run_checkpoint(
    run: impl AsRef<Path>,
    which: Which,
    device: &Device,
) -> Result<Run, RunError> {
    let run = run.as_ref();
    let info = checkpoint_info(run, which)?;
    let config = read(run, run, info.model_config.clone())?;
    let (model, _) = load_checkpoint(config.try_init(device)?, run, Which::Epoch(info.epoch))?;
    Ok(Run { model, config, info })
}

/// The configuration of a run's model: from a checkpoint, whose checksum is over it too, or from
/// the file `model.json` if the run has no such checkpoint.
///
/// # Errors
///
/// [`RunError`], as for [`load_run`].
pub fn run_config(run: impl AsRef<Path>, which: Which) -> Result<ResNetConfig, RunError> {
    let run = run.as_ref();
    let absent = |error: &TrainingError| {
        matches!(error, TrainingError::Checkpoint { fault: CheckpointFault::Absent(_), .. })
    };
    match checkpoint_info(run, which) {
        Ok(info) => return read(run, run, info.model_config),
        Err(error) if !absent(&error) => return Err(error.into()),
        Err(_) => {}
    }
    let path = run.join("model.json");
    let bytes =
        std::fs::read(&path).map_err(|source| RunError::Io { path: path.clone(), source })?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|source| RunError::Config { path: path.clone(), source })?;
    read(run, &path, Some(value))
}

/// The configuration in a description, which was found at `path`.
fn read(run: &Path, path: &Path, description: Option<Value>) -> Result<ResNetConfig, RunError> {
    let Some(description) = description else {
        return Err(RunError::NoDescription { run: run.to_path_buf() });
    };
    // No configuration has a data set, and the flags did.
    if description.get("dataset").is_some() {
        return Err(RunError::Flags { run: run.to_path_buf(), flags: description });
    }
    serde_json::from_value(description)
        .map_err(|source| RunError::Config { path: path.to_path_buf(), source })
}
