//! A run's model from its folder alone.

use burn::tensor::Device;
use cni_layers::models::{Network, NetworkConfig, ResNet, ResNetConfig};
use cni_training::{CheckpointFault, CheckpointSelector, Run, TrainingError, checkpoint_info};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// The run of a ResNet: its model, whose first layer normalizes the images and whose noise is on,
/// the configuration that the model was built from, and the training.
pub type ResNetRun = Run<ResNet, ResNetConfig>;

/// The run of a model of any kind that the library has.
pub type NetworkRun = Run<Network, NetworkConfig>;

/// The reason why the model of a run cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A checkpoint that is missing or damaged, or is not of the model that it names.
    #[error(transparent)]
    Checkpoint(#[from] TrainingError),
    /// A file that cannot be read.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// A description of a model that is none of the library's, a [`NetworkConfig`].
    #[error("{path}: {reason}; a model of your own is loaded by `load_run` of `cni-training`")]
    Config {
        /// The run, or the file in it.
        path: PathBuf,
        /// The place in the description, and what was wanted there.
        reason: serde_json::Error,
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
    /// A run of another kind of model than a ResNet.
    #[error("{run}: its model is no ResNet; `load_network` loads it")]
    NoResNet {
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
}

/// The best model of a run: the weights of the epoch that did best on the validation set.
///
/// The folder is enough. It has what the trainer was told of the model by
/// [`Trainer::with_model_config`](cni_training::Trainer::with_model_config), which must be a
/// [`ResNetConfig`]; for other models use [`load_network`], and for those of your own
/// [`load_run`](cni_training::load_run) of `cni-training`.
///
/// ```
/// # use burn::tensor::Device;
/// # use cni_burn::data::{Split, digits};
/// use cni_burn::prelude::*;
/// # let device = Device::flex();
/// # let folder = tempfile::tempdir()?;
/// # let key = Key::new(1);
/// # let (train, validation) = digits(Split::Train).take(60).split_validation(20, key)?;
/// let config = ResNetConfig::cifar(8, 10)
///     .with_width(0.25)
///     .with_images([8, 8], NormalizeConfig::centered(1))
///     .with_noise(ModelNoise::pni(Granularity::Layer));
/// let model = keyed_init(config.init(&device), key);
/// let trained = Trainer::new(TrainingConfig::new(1, Objective::clean()), &folder)?
///     .with_validation(validation)
///     .with_model_config(&config)?
///     .run(model, ResNet::forward, train)?;
///
/// // Later, in another program:
/// let run = load_run(&folder, &device)?;
/// assert_eq!(run.model_config, config);
/// assert_eq!(run.training_config()?.epochs, 1);
/// assert_eq!(ModelCard::fingerprint_of(&run.model), ModelCard::fingerprint_of(&trained.model));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`RunError`] if there is no whole checkpoint, or it does not say what its model is.
pub fn load_run(run: impl AsRef<Path>, device: &Device) -> Result<ResNetRun, RunError> {
    load_run_checkpoint(run, CheckpointSelector::Best, device)
}

/// The model of any checkpoint of a run. Like [`load_run`] otherwise.
pub fn load_run_checkpoint(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
    device: &Device,
) -> Result<ResNetRun, RunError> {
    let run = run.as_ref();
    let (selector, config) = described(run, selector)?;
    if !matches!(config, NetworkConfig::ResNet(_)) {
        return Err(RunError::NoResNet { run: run.to_path_buf() });
    }
    let build = |config: &ResNetConfig, device: &Device| config.try_init(device);
    Ok(cni_training::load_run(run, selector, device, build)?)
}

/// The model of any checkpoint of a run, of whichever kind the library has. Like [`load_run`]
/// otherwise.
pub fn load_network(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
    device: &Device,
) -> Result<NetworkRun, RunError> {
    let run = run.as_ref();
    let (selector, _) = described(run, selector)?;
    let build = |config: &NetworkConfig, device: &Device| config.try_init(device);
    Ok(cni_training::load_run(run, selector, device, build)?)
}

/// The checkpoint by its epoch, and the configuration that it has. Says what is wrong with a
/// description, if something is.
fn described(
    run: &Path,
    selector: CheckpointSelector,
) -> Result<(CheckpointSelector, NetworkConfig), RunError> {
    let info = checkpoint_info(run, selector)?;
    let config = read(run, run, info.model_config)?;
    Ok((CheckpointSelector::Epoch(info.epoch), config))
}

/// The configuration of a run's model: from a checkpoint, whose checksum is over it too, or from
/// the file `model.json` if the run has no such checkpoint.
///
/// # Errors
///
/// [`RunError`], as for [`load_run`].
pub fn run_config(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
) -> Result<NetworkConfig, RunError> {
    let run = run.as_ref();
    let absent = |error: &TrainingError| {
        matches!(error, TrainingError::Checkpoint { fault: CheckpointFault::Absent(_), .. })
    };
    let path = run.join("model.json");
    match checkpoint_info(run, selector) {
        Ok(info) => return read(run, run, info.model_config),
        Err(error) if !absent(&error) || !path.exists() => return Err(error.into()),
        Err(_) => {}
    }
    let bytes =
        std::fs::read(&path).map_err(|reason| RunError::Io { path: path.clone(), reason })?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|reason| RunError::Config { path: path.clone(), reason })?;
    read(run, &path, Some(value))
}

/// The configuration in a description, which was found at `path`.
fn read(run: &Path, path: &Path, description: Option<Value>) -> Result<NetworkConfig, RunError> {
    let Some(description) = description else {
        return Err(RunError::NoDescription { run: run.to_path_buf() });
    };
    // No configuration has a data set, and the flags did.
    if description.get("dataset").is_some() {
        return Err(RunError::Flags { run: run.to_path_buf(), flags: description });
    }
    serde_json::from_value(description)
        .map_err(|reason| RunError::Config { path: path.to_path_buf(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The error for a run without checkpoints and with this text as its `model.json`.
    fn refused(text: &str) -> RunError {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.json"), text).unwrap();
        run_config(&folder, CheckpointSelector::Best).unwrap_err()
    }

    #[test]
    fn a_description_is_a_configuration_or_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let config = ResNetConfig::cifar(20, 10);
        let text = serde_json::to_string(&config).unwrap();
        std::fs::write(folder.path().join("model.json"), &text).unwrap();
        assert_eq!(run_config(&folder, CheckpointSelector::Last).unwrap(), config.into());

        let error = refused(&text.replace("\"width\"", "\"widht\""));
        assert!(matches!(error, RunError::Config { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("model.json: unknown field `widht`"), "{error}");
        assert!(matches!(refused("{"), RunError::Config { .. }));
        let flags = json!({ "dataset": "digits", "family": "cifar", "depth": 8 });
        let error = refused(&flags.to_string());
        assert!(error.to_string().contains("train it again with `cni train`"), "{error}");
        assert!(matches!(error, RunError::Flags { flags: found, .. } if found == flags));
    }

    #[test]
    fn a_folder_without_a_run_is_refused_by_the_file_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = run_config(&folder, CheckpointSelector::Best).unwrap_err();
        assert!(error.to_string().contains("wanted a run's checkpoints"), "{error}");
        let error = load_run(&folder, &Device::flex()).unwrap_err();
        assert!(matches!(error, RunError::Checkpoint(_)), "{error}");
    }
}
