//! A run, from its checks to its last epoch.

use super::Trainer;
use super::context::Context;
use super::epoch::{End, Epilogue};
use super::forward::Forward;
use super::metrics::Mean;
use super::model::{InRun, TrainableModel};
use super::probe::{
    Probe, check_attacks, check_data, check_examples, check_layers, check_settings, probe,
};
use super::progress::{LineRenderer, Progress};
use super::statistics::StatisticsPass;
use super::validation::NoBatches;
use crate::checkpoint::{
    Beginning, CheckpointDir, CommitBarrier, KeepLastAndBest, MODEL, OPTIMIZER, RecordWriter,
    SCHEDULE, describe,
};
use crate::history::best;
use crate::parameters::has_noise;
use crate::stop::StopSignal;
use crate::{Devices, EpochRow, StopReason, TrainingError};
use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::train::{Learner, SupervisedTraining};
use cni_data::{Batch, ImageData, Loader, Shares};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Trained<N> {
    /// The model after the last epoch, on the plain device; the averaged one in a run that
    /// averages.
    pub model: N,
    /// The epochs.
    pub history: Vec<EpochRow>,
    /// The best epoch on the validation set, counted from 1; its checkpoint is kept.
    pub best_epoch: usize,
    /// The reason for which the run ended before the last epoch of its configuration, if it did.
    pub ended: Option<String>,
    /// The versions of this crate that trained the run, each by its first epoch. With more than one
    /// the run may differ from one that was not interrupted.
    pub versions: BTreeMap<usize, String>,
}

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    /// Runs all epochs, or those that are left.
    ///
    /// `forward` maps images `[batch, channels, height, width]`, pixels in [0, 1], to logits
    /// `[batch, classes]`.
    ///
    /// `model` is built on any device and moves to the first of the run's; its initial weights are
    /// part of what the run is a function of, so draw them with `keyed_init` of `cni-layers`. The
    /// same run, killed at any time and resumed on as many devices, ends with the same weights, bit
    /// for bit, on backends whose operations are deterministic (Flex is). It may also resume on
    /// another number of them.
    ///
    /// The caller's noise scope and precision have no effect: each step has its own. Layers of
    /// Burn's that draw at random, such as `Dropout`, draw from a generator of the whole process,
    /// which each step on one device seeds anew. Such a run is exact as long as nothing else in the
    /// process draws meanwhile; on several devices, `Dropout`, `GaussianNoise` and `RRelu` are
    /// refused.
    ///
    /// A run that resumes must have the configuration, data and model that it began with, as far as
    /// they can be told: see [`with_model_config`](Self::with_model_config). It may have more
    /// epochs if its schedule does not depend on their number.
    ///
    /// Before the first step the model sees a few training examples, in inference: it must have an
    /// output for each class of the data, and may have more.
    ///
    /// # Errors
    ///
    /// Before the run: data or a model that do not fit together, a batch with fewer examples than
    /// there are devices, a group without parameters, a folder that is locked, in use, of another
    /// run or not readable. During the run: a loss that is not finite, a gradient whose norm is not
    /// finite and that is clipped, a parameter that is not finite after an epoch, an attack that
    /// failed, an objective or rule that breaks its contract, a checkpoint that could not be
    /// written. No checkpoint holds a number that is not finite. The last complete checkpoint
    /// stays. A run that is refused changes nothing in the folder of another, but for the empty
    /// file `.lock`.
    pub fn run(
        &self,
        model: N,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
        train: ImageData,
    ) -> Result<Trained<N>, TrainingError> {
        let (config, validation) = (&self.config, self.validation.clone());
        let devices = match &self.devices {
            Some(devices) => devices.clone(),
            None => Devices::from(&model.devices()[0]),
        };
        check_data(&train, validation.as_ref(), config, &self.metric_names())?;
        let (plain, autodiff) = (devices.first().clone(), devices.first().clone().autodiff());
        let mut loader = Loader::new(train.clone(), config.batch_size, config.key, &autodiff)?
            .with_sampler(config.sampler.clone())?;
        for augmentation in &config.augment {
            loader = loader.with_augmentation(augmentation.clone())?;
        }
        check_settings(config, self.progress, &devices, &loader)?;
        check_layers(&model, &devices)?;
        let statistics = StatisticsPass::of(config, &train, &autodiff)?;
        // A snapshot, so that the caller's model keeps its running statistics; on the tape,
        // whatever it was on.
        let net = model.valid().to_device(&plain).train();
        check_examples(&net, config)?;
        let groups = self.groups_of(&net)?;
        let run = json!({
            "config": config.spec()?,
            "groups": self.group_paths(&groups),
            "train": train.fingerprint()?,
            "validation": validation.as_ref().map(ImageData::fingerprint).transpose()?,
            "classes": train.classes(),
            "model": describe(&net, self.model_config.as_ref()),
        });
        let forward = Forward::new(config.precision, forward);
        let logits = |images| forward.call(&net.valid(), images);
        let Probe { noisy, outputs } = probe(logits, &train, &plain, config.key.named("probe"))?;
        check_attacks(config, outputs)?;
        let draws = if noisy || has_noise(&net) { config.validation_draws } else { 1 };
        let (directory, _lock) = CheckpointDir::open(&self.folder)?;
        directory.check_files(&self.folder, &self.files())?;
        let beginning = Beginning::of(&directory, self.resume, &run, &config.schedule)?;
        let Beginning { resume, kept, history, versions } = beginning;
        let steps = loader.batches_per_epoch();
        let state = self.state(&directory, resume, &net, &plain, steps, &devices)?;

        // Nothing is refused from here on.
        directory.prepare()?;
        self.write_configurations()?;
        let loader = loader.resume_at(resume.unwrap_or(0));
        let validating = validation.is_some();
        let validation: Arc<dyn DataLoader<Batch>> = match validation {
            Some(data) => {
                let key = config.key.named("validation");
                Arc::new(Loader::validation(data, config.batch_size, key, &plain)?)
            }
            None => Arc::new(NoBatches),
        };

        let (signal, state) = (StopSignal::default(), Arc::new(state));
        let context = Context {
            forward,
            objective: config.objective.clone(),
            gradient: config.gradient.clone(),
            updates: config.updates.clone(),
            average: config.average.clone(),
            statistics: statistics.map(Arc::new),
            max_grad_norm: config.max_grad_norm,
            accumulation: config.accumulation,
            validation_attack: config.validation_attack.clone(),
            validation_draws: draws,
            metrics: self.metrics.clone(),
            parallel: devices.parallel(),
            groups: Arc::new(groups),
            signal: signal.clone(),
            state: state.clone(),
        };
        let (optimizer, scheduler) = self.optimizer(&context.groups, steps);
        let model = TrainableModel { net, context };
        let barrier =
            CommitBarrier::new(directory, run, versions.clone(), history.clone(), signal.clone());
        let barrier = Arc::new(barrier);
        let writer = |file| RecordWriter { barrier: barrier.clone(), file };
        let end = End::new(config.early_stopping);
        let epilogue = Epilogue {
            state: state.clone(),
            history: history.clone(),
            barrier: barrier.clone(),
            draws: validating.then_some(draws),
            watch: self.watch.clone(),
            callbacks: self.callbacks.clone(),
            end: end.clone(),
        };
        // A run that has ended early does not go on when it is resumed.
        let ended = config.early_stopping.is_some_and(|early| early.ends(&history.rows()));
        let epochs = if ended { resume.unwrap_or(config.epochs) } else { config.epochs };
        if ended {
            end.set(End::EARLY.to_string());
        }
        let mut training = SupervisedTraining::<InRun<N>>::new(
            &self.folder,
            Arc::new(Shares::new(loader, devices.len())),
            validation,
        );
        for (training_metric, name, label) in self.metric_list() {
            let mean = Mean::new(&name, label, &signal);
            training = match training_metric {
                true => training.metric_train_numeric(mean),
                false => training.metric_valid_numeric(mean),
            };
        }
        let mut training = training
            .with_metric_logger(history.clone())
            .with_checkpointing_strategy(KeepLastAndBest {
                last: config.keep_last,
                kept,
                history: history.clone(),
                end_of_epoch: Box::new(move |epoch| epilogue.run(epoch)),
            })
            .with_custom_checkpointers(writer(MODEL), writer(OPTIMIZER), writer(SCHEDULE))
            .early_stopping(end.clone())
            .with_interrupter(signal.interrupter.clone())
            .with_application_logger(None)
            .with_training_strategy(devices.strategy().into())
            .num_epochs(epochs);
        if self.progress != Progress::Dashboard {
            let renderer = LineRenderer::new(self.progress == Progress::Quiet);
            training = training.renderer(Box::new(renderer));
        }
        if let Some(epoch) = resume {
            training = training.checkpoint(epoch);
        }
        let result = training.launch(Learner::new(model, optimizer, scheduler));

        let error = result.error.map(StopReason::Burn);
        let stop = result.interrupted.map(|stop| stop.reason.unwrap_or_default());
        if let Some(reason) = signal.take().or(error).or(stop.map(StopReason::Interrupted)) {
            let last = barrier.directory.epochs()?.last().copied();
            return Err(TrainingError::Stopped { reason, last });
        }
        let history = history.rows();
        self.write_history(&history)?;
        let last = history.last().map_or(config.epochs, |row| row.epoch);
        let ended = end.reason().filter(|_| last < config.epochs);
        let best_epoch = best(&history).unwrap_or(last);
        let model = state.average().unwrap_or(result.model.net);
        Ok(Trained { model, history, best_epoch, ended, versions })
    }
}
