//! The run.

use crate::checkpoint::{MODEL, OPTIMIZER, Part, Retain, SCHEDULE, Shelf, Writers};
use crate::data::{ImageData, Loader, Shares};
use crate::history::{History, best};
use crate::metrics::{CLEAN, LOSS, Mean, ROBUST};
use crate::progress::Lines;
use crate::schedule::EpochScheduler;
use crate::trainee::{Fault, Forward, Recipe, Trainee};
use crate::watch::{Read, Watch};
use crate::{Devices, EpochRow, Progress, TrainingConfig, TrainingError};
use burn::module::{Module, ModuleDisplay, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn::train::{Learner, SupervisedTraining};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether a run begins or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the first epoch, into a folder without checkpoints.
    Fresh,
    /// From the last checkpoint of the same run; from the first epoch where there is none yet.
    Resume,
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Trained<N> {
    /// The model after the last epoch, on the plain device.
    pub model: N,
    /// The epochs.
    pub history: Vec<EpochRow>,
    /// The best epoch on the validation set, counted from 1; its checkpoint is kept.
    pub best: usize,
}

/// Trains a model and keeps its checkpoints in a folder.
pub struct Trainer<N> {
    config: TrainingConfig,
    folder: PathBuf,
    progress: Progress,
    read: Option<Read<N>>,
}

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    /// A trainer that writes to `folder/checkpoints`.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range.
    pub fn new(config: TrainingConfig, folder: impl AsRef<Path>) -> Result<Self, TrainingError> {
        config.check()?;
        let folder = folder.as_ref().to_path_buf();
        Ok(Self { config, folder, progress: Progress::default(), read: None })
    }

    /// Sets how progress is shown.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Follows numbers of the model, such as the amplitudes of its noise: `watch` names them, and each epoch's row of
    /// the history has those of the model after it.
    ///
    /// It reads a snapshot as by `valid()`. It is no part of what the run is a function of.
    pub fn with_watch<W: IntoIterator<Item = (String, f64)>>(
        mut self,
        watch: impl Fn(&N) -> W + Send + Sync + 'static,
    ) -> Self {
        self.read = Some(Arc::new(move |net: &N| watch(net).into_iter().collect()));
        self
    }

    /// Runs all epochs, or those that are left.
    ///
    /// `forward` maps images `[batch, channels, height, width]`, pixels in [0, 1], to logits `[batch, classes]`.
    ///
    /// `devices` is one device, `&device`, or several: see [`Devices`]. `model` is built on any device and moves to the
    /// first of them; its initial weights are part of what the run is a function of, so draw them with `keyed_init` of
    /// `cni-layers`. The same run, killed at any time and resumed on as many devices, ends with the same weights, bit for
    /// bit, on backends whose operations are deterministic (Flex is). It may also resume on another number of them.
    ///
    /// # Errors
    ///
    /// Where a batch has fewer examples than there are devices, where a folder is in use, belongs to another run or cannot
    /// be read, and where the run had to stop: a loss or gradient that is not finite, an attack that failed, a checkpoint
    /// that could not be written. The last complete checkpoint stays.
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
        devices.check(train.len(), config.batch_size)?;
        if !config.precision.works_on(devices.first()) {
            return Err(TrainingError::setting(
                "precision",
                config.precision,
                "an element type that the device computes in",
            ));
        }
        let run = json!({
            "config": config.spec(),
            "train": train.fingerprint(),
            "validation": validation.fingerprint(),
            "model": parameters(&model),
        });
        let shelf = Shelf::open(&self.folder)?;
        let kept = shelf.epochs()?;
        let (resume, history) = match (start, kept.last()) {
            (_, None) => (None, History::default()),
            (Start::Fresh, Some(_)) => return Err(TrainingError::InUse(self.folder.clone())),
            (Start::Resume, Some(&epoch)) => {
                let state = shelf.state(epoch)?;
                same_run(&shelf.folder(epoch), &state.run, &run)?;
                (Some(epoch), History::new(state.history))
            }
        };

        let (plain, autodiff) = (devices.first().clone(), devices.first().clone().autodiff());
        let steps_per_epoch = train.len().div_ceil(config.batch_size);
        let loader =
            Loader::training(train, config.batch_size, config.augment, config.key, &autodiff)?
                .resume_at(resume.unwrap_or(0));
        let validation_key = config.key.named("validation");
        let validation = Loader::validation(validation, config.batch_size, validation_key, &plain)?;

        let fault = Fault::default();
        let watch = Watch::new(self.read.clone());
        let trainee = Trainee {
            // A snapshot, so that the caller's model keeps its running statistics; on the tape, whatever it was on.
            net: model.valid().to_device(&plain).train(),
            forward: Forward::new(config.precision, forward),
            recipe: Recipe {
                objective: config.objective.clone(),
                validation_attack: config.validation_attack.clone(),
                clip: config.optimizer.clip,
                parallel: devices.parallel(),
                fault: fault.clone(),
                watch: watch.clone(),
            },
        };
        let writers = Arc::new(Writers::new(shelf, run, history.clone(), fault.clone()));
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
        let scheduler = EpochScheduler {
            schedule: config.schedule.clone(),
            epochs: config.epochs,
            steps_per_epoch,
            step: 0,
        };
        let result = training.launch(Learner::new(trainee, config.optimizer.build(), scheduler));

        let error = result.error.map(|error| error.to_string());
        let interruption = result.interrupted.map(|stop| stop.reason.unwrap_or_default());
        if let Some(reason) = fault.why().or(error).or(interruption) {
            let last = writers.shelf.epochs()?.last().copied();
            return Err(TrainingError::Stopped { reason, last });
        }
        let history = history.rows();
        let best = best(&history).unwrap_or(config.epochs);
        Ok(Trained { model: result.model.net, history, best })
    }
}

/// The differences between the run of a checkpoint and the one at hand.
fn same_run(folder: &Path, theirs: &Value, ours: &Value) -> Result<(), TrainingError> {
    fn differences(path: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                for (name, value) in b {
                    let other = a.get(name).unwrap_or(&Value::Null);
                    differences(&format!("{path}/{name}"), other, value, found);
                }
            }
            _ if a == b => {}
            _ => found.push(format!("{} was {a}, is {b}", path.trim_start_matches('/'))),
        }
    }
    let mut found = Vec::new();
    differences("", theirs, ours, &mut found);
    if found.is_empty() {
        return Ok(());
    }
    let different = found.join("; ");
    Err(TrainingError::OtherRun { path: folder.to_path_buf(), different })
}

/// The paths and shapes of a model's parameters, in one text.
fn parameters<N: Module>(model: &N) -> String {
    #[derive(Default)]
    struct Walk {
        path: Vec<String>,
        text: String,
    }
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let shape = param.lazy_shape();
            self.text += &format!("{} {:?}\n", self.path.join("."), shape.as_slice());
        }
    }
    use sha2::{Digest, Sha256};
    let mut walk = Walk::default();
    model.visit(&mut walk);
    Sha256::digest(walk.text).iter().map(|byte| format!("{byte:02x}")).collect()
}
