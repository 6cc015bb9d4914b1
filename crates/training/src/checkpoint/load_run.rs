use super::checksum::sha256;
use super::dir::{STATE, state};
use super::restore::{CheckpointSelector, load_with};
use crate::{CheckpointFault, EpochRow, TrainingConfig, TrainingError};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Device;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// A run as its folder tells it.
#[derive(Clone, Debug)]
pub struct Run<N, C> {
    /// The model with the weights of the checkpoint, as by `valid()`, on the plain device.
    pub model: N,
    /// The configuration that the model was built from.
    pub model_config: C,
    /// The epoch of the checkpoint, counted from 1.
    pub epoch: usize,
    /// The epochs up to it.
    pub history: Vec<EpochRow>,
    /// The classes of the data that it was trained on.
    pub classes: Vec<String>,
    /// The version of this crate that trained the epoch.
    pub version: String,
    /// All that identifies the run, as JSON.
    pub run: Value,
    /// The folder that the weights were read from.
    folder: PathBuf,
}

impl<N, C> Run<N, C> {
    /// The SHA-256 of the files that the run was read from, by their names: that of the weights, and
    /// `state.json`, which describes the run and has the checksums of the others.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Checkpoint`] if a file is no longer there.
    pub fn checksums(&self) -> Result<BTreeMap<String, String>, TrainingError> {
        let weights = state(&self.folder)?.weights();
        let of = |name: &str| {
            let path = self.folder.join(name);
            let bytes = fs::read(&path).map_err(|error| TrainingError::io(&path, error))?;
            Ok((name.to_string(), sha256(&bytes)))
        };
        [weights, STATE].into_iter().map(of).collect()
    }

    /// The configuration that the model was trained with.
    ///
    /// # Errors
    ///
    /// [`CheckpointFault::Config`] for a run with a custom objective or rule, which only code can
    /// build, and for a run of an older version.
    pub fn training_config(&self) -> Result<TrainingConfig, TrainingError> {
        serde_json::from_value(self.run["config"].clone())
            .map_err(|error| TrainingError::config(&self.folder, "training configuration", error))
    }
}

/// The model of a run from the folder of the run alone, with all its configurations.
///
/// `build` makes the model from the configuration that
/// [`Trainer::with_model_config`](crate::Trainer::with_model_config) was given, which may be any
/// type that serde reads.
///
/// ```no_run
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use cni_training::{CheckpointSelector, load_run};
/// use std::convert::Infallible;
///
/// let run = load_run(
///     "runs/linear",
///     CheckpointSelector::Best,
///     &Device::flex(),
///     |config: &LinearConfig, device| Ok::<Linear, Infallible>(config.init(device)),
/// )?;
/// println!("epoch {}: {:?}", run.epoch, run.training_config()?);
/// # Ok::<(), cni_training::TrainingError>(())
/// ```
///
/// # Errors
///
/// Those of [`load_checkpoint`](crate::load_checkpoint), and [`TrainingError::Checkpoint`] for a
/// run whose model was not described, for a description that is none of `C`, and for a model that
/// cannot be built.
pub fn load_run<C, N, E>(
    run: impl AsRef<Path>,
    selector: CheckpointSelector,
    device: &Device,
    build: impl FnOnce(&C, &Device) -> Result<N, E>,
) -> Result<Run<N, C>, TrainingError>
where
    C: DeserializeOwned,
    N: Module + ModuleDisplay,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let run = run.as_ref();
    const WHAT: &str = "model configuration";
    let mut read = None;
    let (model, info, folder) = load_with(run, selector, |folder, info| {
        let Some(value) = info.model_config.clone() else {
            let wanted = "got none, wanted that of Trainer::with_model_config";
            return Err(TrainingError::config(folder, WHAT, wanted));
        };
        let config: C = serde_json::from_value(value)
            .map_err(|error| TrainingError::config(folder, WHAT, error))?;
        let model = build(&config, device).map_err(|error| {
            TrainingError::checkpoint(folder, CheckpointFault::Build(error.into()))
        })?;
        read = Some(config);
        Ok(model)
    })?;
    let unread = || TrainingError::config(run, WHAT, "was not read");
    Ok(Run {
        model,
        model_config: read.ok_or_else(unread)?,
        epoch: info.epoch,
        history: info.history,
        classes: info.classes,
        version: info.version,
        run: info.run,
        folder,
    })
}
