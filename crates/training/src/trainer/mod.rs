//! The run of a training: its builder, and its steps on Burn's trainer.

mod apart;
mod context;
mod end;
mod epoch;
mod finite;
mod forward;
mod launch;
mod metrics;
mod model;
mod notices;
mod pace;
mod probe;
mod progress;
mod run;
mod scope;
mod setup;
mod statistics;
mod update;
mod validation;

pub use epoch::EndOfEpoch;
pub use progress::Progress;
pub use run::Trained;

use crate::parameters::check_group_name;
use crate::{Devices, EpochRow, Recipe, TrainingConfig, TrainingError};
use burn::module::{Module, ModuleDisplay, ParamId};
use burn::tensor::{Int, Tensor};
use cni_data::ImageData;
use context::Score;
use epoch::{Callback, Read};
use serde::Serialize;
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Trains a model and keeps its checkpoints in a folder.
///
/// ```no_run
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use cni_data::{Split, digits};
/// # use cni_noise::Key;
/// # use cni_training::{Objective, Trainer, TrainingConfig};
/// # let (train, validation) = digits(Split::Train).split_validation(200, Key::new(1))?;
/// # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
/// # let model = LinearConfig::new(64, 10).init(&Device::flex());
/// let trained = Trainer::new(TrainingConfig::new(10, Objective::clean()), "runs/linear")?
///     .with_validation(validation)
///     .with_model_config(&LinearConfig::new(64, 10))?
///     .resume(true)
///     .run(model, forward, train)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer<N> {
    config: TrainingConfig,
    folder: PathBuf,
    validation: Option<ImageData>,
    devices: Option<Devices>,
    resume: bool,
    progress: Progress,
    watch: Option<Read<N>>,
    beginnings: Vec<Arc<Begins>>,
    callbacks: Vec<Callback<N>>,
    metrics: Vec<(String, Arc<Score>)>,
    groups: Vec<(String, Arc<Ids<N>>)>,
    model_config: Option<Value>,
    recipe: Option<Recipe>,
    /// Further files of the run's folder, by their names.
    files: Vec<(String, Vec<u8>)>,
}

/// A function that is called when a run begins or goes on, with the epochs so far.
type Begins = dyn Fn(&[EpochRow]) + Send + Sync;

/// The ids of the parameters of a group.
type Ids<N> = dyn Fn(&N) -> Vec<ParamId> + Send + Sync;

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    /// A trainer that writes `checkpoints`, `config.json`, `.lock`, after every epoch `history.json`
    /// and, if the model is described, `model.json` to the folder.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range.
    pub fn new(config: TrainingConfig, folder: impl AsRef<Path>) -> Result<Self, TrainingError> {
        config.check()?;
        Ok(Self {
            config,
            folder: folder.as_ref().to_path_buf(),
            validation: None,
            devices: None,
            resume: false,
            progress: Progress::default(),
            watch: None,
            beginnings: Vec::new(),
            callbacks: Vec::new(),
            metrics: Vec::new(),
            groups: Vec::new(),
            model_config: None,
            recipe: None,
            files: Vec::new(),
        })
    }

    /// Sets the examples that the model is judged on after every epoch. They decide which epoch is
    /// the best; without them the last one counts as such.
    pub fn with_validation(mut self, validation: ImageData) -> Self {
        self.validation = Some(validation);
        self
    }

    /// Sets the devices: one, `&device`, or several, see [`Devices`]. By default the model's.
    pub fn with_devices(mut self, devices: impl Into<Devices>) -> Self {
        self.devices = Some(devices.into());
        self
    }

    /// Sets whether the run goes on from the last checkpoint in the folder, or from the first epoch
    /// if there is none yet. By default it begins, in a folder without checkpoints.
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Sets how progress is shown.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Follows numbers of the model, such as the amplitudes of its noise: `watch` names them, and
    /// each epoch's row of the history has those of the model after it.
    ///
    /// It reads a snapshot as by `valid()`, and does not affect the run.
    pub fn with_watch<W: IntoIterator<Item = (String, f64)>>(
        mut self,
        watch: impl Fn(&N) -> W + Send + Sync + 'static,
    ) -> Self {
        self.watch = Some(Arc::new(move |net: &N| watch(net).into_iter().collect()));
        self
    }

    /// Calls a function when the run begins or goes on: once nothing is refused any more, and
    /// before the first step. It gets the epochs so far, none in a run that begins.
    pub fn with_beginning(
        mut self,
        callback: impl Fn(&[EpochRow]) + Send + Sync + 'static,
    ) -> Self {
        self.beginnings.push(Arc::new(callback));
        self
    }

    /// Calls a function after each epoch, before its checkpoint is written and after
    /// `history.json`, but not after one that the run goes back from. If it breaks with a
    /// reason, the run ends after this epoch: [`Trained::ended`] has the reason. Unlike one that
    /// [`EarlyStopping`](crate::EarlyStopping) has ended, it goes on if it is resumed, since no
    /// checkpoint holds what a function has decided.
    pub fn with_callback(
        mut self,
        callback: impl Fn(&EndOfEpoch<'_, N>) -> ControlFlow<String> + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.push(Arc::new(callback));
        self
    }

    /// Adds a score of the clean validation images: a function of logits `[batch, classes]` and
    /// labels `[batch]` that gives a number for each example, `[batch]`.
    ///
    /// Its mean over examples and draws of the noise is in
    /// [`Scores::more`](crate::Scores::more) under the name.
    pub fn with_metric(
        mut self,
        name: impl Into<String>,
        score: impl Fn(&Tensor<2>, &Tensor<1, Int>) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        self.metrics.push((name.into(), Arc::new(score)));
        self
    }

    /// Names a group of parameters by their ids, such as those of
    /// [`parameter_ids`](crate::parameter_ids): for
    /// [`TrainingConfig::groups`](crate::TrainingConfig::groups) and for rules.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for the name of a built-in group.
    pub fn with_group(
        mut self,
        name: impl Into<String>,
        ids: impl Fn(&N) -> Vec<ParamId> + Send + Sync + 'static,
    ) -> Result<Self, TrainingError> {
        let name = name.into();
        check_group_name(&name)?;
        self.groups.push((name, Arc::new(ids)));
        Ok(self)
    }

    /// Writes the recipe that the configuration comes from to `recipe.toml` in the run's folder.
    ///
    /// It is for people and for further runs. What identifies the run is its configuration.
    pub fn with_recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = Some(recipe);
        self
    }

    /// Writes a further file to the run's folder, together with `config.json`: for whoever begins
    /// the run and has more to keep. It is no part of what identifies the run.
    pub fn with_file(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), bytes.into()));
        self
    }

    /// Describes the model: the settings it was built with, all that its weights do not tell.
    ///
    /// The description becomes part of what identifies the run, so that a run of a model with other
    /// settings does not go on with it; every checkpoint has it, and [`load_run`](crate::load_run)
    /// builds the model from it. Once nothing is refused any more it is written to `model.json` in
    /// the run's folder, where it describes the checkpoints that are beside it.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a value without a JSON form.
    pub fn with_model_config(mut self, config: &impl Serialize) -> Result<Self, TrainingError> {
        let value = serde_json::to_value(config).map_err(|error| {
            TrainingError::setting("model_config", error, "a value with a JSON form")
        })?;
        self.model_config = Some(value);
        Ok(self)
    }
}
