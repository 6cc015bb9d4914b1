//! The run.

use crate::checkpoint::{Part, Retain, Writers};
use crate::history::best;
use crate::identity::describe;
use crate::metrics::{CLEAN, LOSS, Mean, ROBUST};
use crate::optimizer::has_noise;
use crate::probe::{Probe, check_attacks, check_data, check_layers, check_settings, probe};
use crate::progress::Lines;
use crate::schedule::RateScheduler;
use crate::shelf::{MODEL, OPTIMIZER, SCHEDULE, Shelf, write_whole};
use crate::start::{Beginning, Start};
use crate::stop::Fault;
use crate::trainee::{Forward, Recipe, Trainee};
use crate::watch::{Read, Watch};
use crate::{Devices, EpochRow, Progress, StopReason, TrainingConfig, TrainingError};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::train::{Learner, SupervisedTraining};
use cni_data::{Augmentation, ImageData, Loader, Shares};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Trained<N> {
    /// The model after the last epoch, on the plain device.
    pub model: N,
    /// The epochs.
    pub history: Vec<EpochRow>,
    /// The best epoch on the validation set, counted from 1; its checkpoint is kept.
    pub best: usize,
    /// The versions of this crate that trained the run, each by its first epoch. With more than one
    /// the run may differ from one that was not interrupted.
    pub versions: BTreeMap<usize, String>,
}

/// Trains a model and keeps its checkpoints in a folder.
pub struct Trainer<N> {
    config: TrainingConfig,
    folder: PathBuf,
    progress: Progress,
    read: Option<Read<N>>,
    model_config: Option<Value>,
}

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    /// A trainer that writes `checkpoints`, `.lock` and, where the model is described, `model.json`
    /// to the folder.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range.
    pub fn new(config: TrainingConfig, folder: impl AsRef<Path>) -> Result<Self, TrainingError> {
        config.check()?;
        let folder = folder.as_ref().to_path_buf();
        let progress = Progress::default();
        Ok(Self { config, folder, progress, read: None, model_config: None })
    }

    /// Sets how progress is shown.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Follows numbers of the model, such as the amplitudes of its noise: `watch` names them, and
    /// each epoch's row of the history has those of the model after it.
    ///
    /// It reads a snapshot as by `valid()`. It is no part of what the run is a function of.
    pub fn with_watch<W: IntoIterator<Item = (String, f64)>>(
        mut self,
        watch: impl Fn(&N) -> W + Send + Sync + 'static,
    ) -> Self {
        self.read = Some(Arc::new(move |net: &N| watch(net).into_iter().collect()));
        self
    }

    /// Describes the model: the settings it was built with, all that its weights do not tell.
    ///
    /// The description becomes part of what the run is, so that a run of a model with other
    /// settings does not go on with it; every checkpoint has it. Once nothing is refused any more
    /// it is written to `model.json` in the run's folder, where it describes the checkpoints that
    /// are beside it.
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

    /// Runs all epochs, or those that are left.
    ///
    /// `forward` maps images `[batch, channels, height, width]`, pixels in [0, 1], to logits
    /// `[batch, classes]`.
    ///
    /// `devices` is one device, `&device`, or several: see [`Devices`]. `model` is built on any
    /// device and moves to the first of them; its initial weights are part of what the run is a
    /// function of, so draw them with `keyed_init` of `cni-layers`. The same run, killed at any
    /// time and resumed on as many devices, ends with the same weights, bit for bit, on backends
    /// whose operations are deterministic (Flex is). It may also resume on another number of them.
    ///
    /// What the caller's noise scope and precision are does not matter: each step has its own.
    /// Layers of Burn's that draw at random, such as `Dropout`, draw from a generator of the whole
    /// process, which each step on one device seeds anew. Such a run is exact as long as nothing
    /// else in the process draws meanwhile; on several devices, `Dropout`, `GaussianNoise` and
    /// `RRelu` are refused.
    ///
    /// A run that resumes must have the configuration, data and model that it began with, as far as
    /// they can be told: see [`with_model_config`](Self::with_model_config). It may have more
    /// epochs where its schedule does not depend on their number.
    ///
    /// Before the first step the model sees a few training examples, in inference: it must have an
    /// output for each class of the data, and may have more.
    ///
    /// # Errors
    ///
    /// Where the data or the model do not fit together, where a batch has fewer examples than there
    /// are devices, where a folder is locked, in use, belongs to another run or cannot be read, and
    /// where the run had to stop: a loss that is not finite, a gradient whose norm is not finite
    /// where it is clipped, a parameter that is not finite after an epoch, an attack that failed, a
    /// checkpoint that could not be written. No checkpoint holds a number that is not finite. The
    /// last complete checkpoint stays. A run that is refused changes nothing in the folder of
    /// another, but for the empty file `.lock`.
    pub fn run(
        &self,
        model: N,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
        train: ImageData,
        validation: ImageData,
        devices: impl Into<Devices>,
        start: Start,
    ) -> Result<Trained<N>, TrainingError> {
        let (config, devices) = (&self.config, devices.into());
        check_settings(config, self.progress, &devices, train.len())?;
        check_data(&train, &validation)?;
        config.augment.check(train.image_shape())?;
        check_layers(&model, &devices)?;
        let (plain, autodiff) = (devices.first().clone(), devices.first().clone().autodiff());
        // A snapshot, so that the caller's model keeps its running statistics; on the tape,
        // whatever it was on.
        let net = model.valid().to_device(&plain).train();
        let run = json!({
            "config": config.spec(),
            "train": train.fingerprint()?,
            "validation": validation.fingerprint()?,
            "classes": train.classes(),
            "model": describe(&net, self.model_config.as_ref()),
        });
        let forward = Forward::new(config.precision, forward);
        let logits = |images| forward.call(&net.valid(), images);
        let Probe { noisy, outputs } = probe(logits, &train, &plain, config.key.named("probe"))?;
        check_attacks(config, outputs)?;
        let draws = if noisy || has_noise(&net) { config.validation_draws } else { 1 };
        let (shelf, _lock) = Shelf::open(&self.folder)?;
        let beginning = Beginning::of(&shelf, start, &run, &config.schedule)?;
        let Beginning { resume, kept, history, versions } = beginning;

        // Nothing is refused from here on.
        shelf.prepare()?;
        if let Some(config) = &self.model_config {
            let path = self.folder.join("model.json");
            let text = serde_json::to_vec_pretty(config).map_err(io::Error::from);
            let written = text.and_then(|text| write_whole(&path, &text));
            written.map_err(|error| TrainingError::io(&path, error))?;
        }
        let steps_per_epoch = train.len().div_ceil(config.batch_size);
        let loader =
            Loader::training(train, config.batch_size, config.augment, config.key, &autodiff)?
                .resume_at(resume.unwrap_or(0));
        let validation_key = config.key.named("validation");
        let validation = Loader::validation(validation, config.batch_size, validation_key, &plain)?;

        let fault = Fault::default();
        let watch = Watch::new(self.read.clone());
        let trainee = Trainee {
            net,
            forward,
            recipe: Recipe {
                objective: config.objective.clone(),
                validation_attack: config.validation_attack.clone(),
                validation_draws: draws,
                clip: config.optimizer.clip,
                parallel: devices.parallel(),
                fault: fault.clone(),
                watch: watch.clone(),
            },
        };
        let writers = Writers::new(shelf, run, versions.clone(), history.clone(), fault.clone());
        let writers = Arc::new(writers);
        let part = |file| Part { writers: writers.clone(), file };
        let mut training = SupervisedTraining::<Trainee<N>>::new(
            &self.folder,
            Arc::new(Shares::new(loader, devices.len())),
            Arc::new(validation),
        )
        .metrics((
            Mean::<LOSS>::new(&fault),
            Mean::<CLEAN>::new(&fault),
            Mean::<ROBUST>::new(&fault),
        ))
        .with_metric_logger(history.clone())
        .with_checkpointing_strategy(Retain {
            last: config.keep,
            kept,
            history: history.clone(),
            draws,
            watch,
        })
        .with_custom_checkpointers(part(MODEL), part(OPTIMIZER), part(SCHEDULE))
        .with_interrupter(fault.interrupter.clone())
        .with_application_logger(None)
        .with_training_strategy(devices.strategy().into())
        .num_epochs(config.epochs);
        if self.progress != Progress::Dashboard {
            training = training.renderer(Box::new(Lines::new(self.progress == Progress::Quiet)));
        }
        if let Some(epoch) = resume {
            training = training.checkpoint(epoch);
        }
        let scheduler = RateScheduler {
            schedule: config.schedule.clone(),
            epochs: config.epochs,
            steps_per_epoch,
            step: 0,
        };
        let optimizer = config.optimizer.build(&trainee);
        let result = training.launch(Learner::new(trainee, optimizer, scheduler));

        let error = result.error.map(StopReason::Burn);
        let stop = result.interrupted.map(|stop| stop.reason.unwrap_or_default());
        if let Some(reason) = fault.take().or(error).or(stop.map(StopReason::Interrupted)) {
            let last = writers.shelf.epochs()?.last().copied();
            return Err(TrainingError::Stopped { reason, last });
        }
        let history = history.rows();
        let best = best(&history).unwrap_or(config.epochs);
        Ok(Trained { model: result.model.net, history, best, versions })
    }
}
