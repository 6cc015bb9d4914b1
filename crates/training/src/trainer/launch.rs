//! One launch of Burn's trainer: from the beginning or a checkpoint to the end of the run, or to
//! the epoch that the run goes back from.

use super::context::{Context, RunState};
use super::end::End;
use super::epoch::{Epilogue, Watcher};
use super::forward::Forward;
use super::metrics::Mean;
use super::model::{InRun, TrainableModel};
use super::notices::Notices;
use super::progress::LineRenderer;
use super::setup::write_history;
use super::statistics::StatisticsPass;
use super::validation::NoBatches;
use super::{Progress, Trained, Trainer};
use crate::checkpoint::{
    CheckpointDir, CommitBarrier, KeepLastAndBest, MODEL, OPTIMIZER, RecordWriter, SCHEDULE,
};
use crate::history::{History, best};
use crate::overfitting::{Consequence, Fall, OverfittingWatch, Sizes, has_fallen_back};
use crate::parameters::Groups;
use crate::stop::StopSignal;
use crate::{Devices, EpochRow, Objective, StopReason, TrainingError};
use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleDisplay};
use burn::train::{Learner, LearningResult, SupervisedTraining};
use cni_data::{Batch, Loader, Shares};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that the launches of a run share.
pub(super) struct Plan<N> {
    /// The model before the first step, which no launch changes.
    pub model: N,
    pub forward: Forward<N>,
    pub devices: Devices,
    pub groups: Arc<Groups>,
    /// The pass that recomputes an average's batch statistics, if it does.
    pub statistics: Option<Arc<StatisticsPass>>,
    pub loader: Loader,
    pub validation: Option<Loader>,
    /// Draws that validation judges each example by.
    pub draws: usize,
    /// The images that the watch for overfitting attacks.
    pub watched: Option<Batch>,
    pub directory: CheckpointDir,
    /// All that identifies the run.
    pub run: Value,
    /// The versions that trained the run, each by its first epoch.
    pub versions: BTreeMap<usize, String>,
    pub history: History,
    pub sizes: Sizes,
    pub signal: StopSignal,
    pub notices: Notices,
}

impl<N: Module + ModuleDisplay> Plan<N> {
    /// A snapshot of the model on the tape, with running statistics of its own.
    pub fn net(&self) -> N {
        self.model.valid().train()
    }
}

/// The place where a launch begins.
pub(super) struct Start<N> {
    /// The epoch whose checkpoint it goes on from.
    pub resume: Option<usize>,
    pub state: RunState<N>,
    /// The fall that the run goes back from, and the epoch of it.
    pub fell: Option<(usize, Fall)>,
}

/// The end of a launch.
pub(super) enum Launched<N> {
    /// The run has ended.
    Finished(Trained<N>),
    /// It goes back from this epoch.
    Fell(usize, Fall),
}

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    pub(super) fn launch(
        &self,
        plan: &Plan<N>,
        start: Start<N>,
    ) -> Result<Launched<N>, TrainingError> {
        let config = &self.config;
        let Start { resume, state, fell } = start;
        let (history, signal, state) = (&plan.history, &plan.signal, Arc::new(state));
        let context = self.context(plan, state.clone(), fell.is_some());
        let (optimizer, scheduler) = self.optimizer(&plan.groups, plan.sizes.steps);
        let barrier = Arc::new(CommitBarrier::new(
            plan.directory.clone(),
            plan.run.clone(),
            plan.versions.clone(),
            history.clone(),
            signal.clone(),
        ));
        let writer = |file| RecordWriter { barrier: barrier.clone(), file };
        let end = End::new(config.early_stopping);
        let watched = config.overfitting.as_ref().zip(plan.watched.clone());
        let epilogue = Epilogue {
            state: state.clone(),
            history: history.clone(),
            barrier: barrier.clone(),
            draws: plan.validation.is_some().then_some(plan.draws),
            watch: self.watch.clone(),
            overfitting: watched.map(|(watch, batch)| Watcher {
                watch: watch.clone(),
                context: context.clone(),
                batch,
                fell,
            }),
            callbacks: self.callbacks.clone(),
            folder: self.folder.clone(),
            sizes: plan.sizes,
            epochs: config.epochs,
            notices: plan.notices.clone(),
            end: end.clone(),
        };
        // A run that has ended early does not go on when it is resumed.
        let ended = self.has_ended(&history.rows());
        let epochs = if ended.is_some() { resume.unwrap_or(config.epochs) } else { config.epochs };
        ended.into_iter().for_each(|reason| end.set(reason));
        let validation: Arc<dyn DataLoader<Batch>> = match &plan.validation {
            Some(loader) => Arc::new(loader.clone()),
            None => Arc::new(NoBatches),
        };
        let loader = plan.loader.clone().resume_at(resume.unwrap_or(0));
        let mut training = SupervisedTraining::<InRun<N>>::new(
            &self.folder,
            Arc::new(Shares::new(loader, plan.devices.len())?),
            validation,
        );
        for (training_metric, name, label) in self.metric_list() {
            let mean = Mean::new(&name, label, signal);
            training = match training_metric {
                true => training.metric_train_numeric(mean),
                false => training.metric_valid_numeric(mean),
            };
        }
        let mut training = training
            .with_metric_logger(history.clone())
            .with_checkpointing_strategy(KeepLastAndBest {
                last: config.keep_last,
                kept: plan.directory.epochs()?,
                history: history.clone(),
                end_of_epoch: Box::new(move |epoch| epilogue.run(epoch)),
            })
            .with_custom_checkpointers(writer(MODEL), writer(OPTIMIZER), writer(SCHEDULE))
            .early_stopping(end.clone())
            .with_interrupter(signal.interrupter.clone())
            .with_application_logger(None)
            .with_training_strategy(plan.devices.strategy().into())
            .num_epochs(epochs);
        if self.progress != Progress::Dashboard {
            let renderer = LineRenderer::new(plan.notices.bar(), plan.validation.is_some());
            training = training.renderer(Box::new(renderer));
        }
        if let Some(epoch) = resume {
            training = training.checkpoint(epoch);
        }
        let model = TrainableModel { net: plan.net(), context };
        let result = training.launch(Learner::new(model, optimizer, scheduler));
        let LearningResult { model, renderer, interrupted, error } = result;
        // A dashboard leaves the screen.
        drop(renderer);
        plan.notices.print_waiting();

        let error = error.map(StopReason::Burn);
        let stop = interrupted.map(|stop| stop.reason.unwrap_or_default());
        if let Some(reason) = signal.take().or(error).or(stop.map(StopReason::Interrupted)) {
            let last = plan.directory.epochs()?.last().copied();
            return Err(TrainingError::Stopped { reason, last });
        }
        if let Some((epoch, fall)) = end.fell() {
            return Ok(Launched::Fell(epoch, fall));
        }
        let history = history.rows();
        write_history(&self.folder, &history)?;
        let last = history.last().map_or(config.epochs, |row| row.epoch);
        Ok(Launched::Finished(Trained {
            model: state.average().unwrap_or(model.net),
            best_epoch: best(&history).unwrap_or(last),
            ended: end.reason().filter(|_| last < config.epochs),
            history,
            versions: plan.versions.clone(),
            notices: plan.notices.all(),
        }))
    }

    /// The context of a launch's steps.
    fn context(&self, plan: &Plan<N>, state: Arc<RunState<N>>, falls_back: bool) -> Context<N> {
        let config = &self.config;
        Context {
            forward: plan.forward.clone(),
            objective: self.objective(falls_back || has_fallen_back(&plan.history.rows())),
            gradient: config.gradient.clone(),
            updates: config.updates.clone(),
            average: config.average.clone(),
            statistics: plan.statistics.clone(),
            max_grad_norm: config.max_grad_norm,
            accumulation: config.accumulation,
            micro_batch: config.micro_batch,
            validation_attack: config.validation_attack.clone(),
            validation_draws: plan.draws,
            metrics: self.metrics.clone(),
            parallel: plan.devices.parallel(),
            by_index: config.sampler.sizes_are_random(),
            groups: plan.groups.clone(),
            signal: plan.signal.clone(),
            state,
        }
    }

    /// The objective, before or after the run has fallen back.
    fn objective(&self, fallen: bool) -> Objective {
        let own = &self.config.objective;
        let watch = self.config.overfitting.as_ref().filter(|_| fallen);
        watch.and_then(|watch| watch.objective(own)).unwrap_or_else(|| own.clone())
    }

    /// The reason for which a run with these epochs has ended early, if it has.
    fn has_ended(&self, rows: &[EpochRow]) -> Option<String> {
        let early = self.config.early_stopping.filter(|early| early.ends(rows));
        let watch = self.config.overfitting.as_ref();
        match watch.and_then(|watch: &OverfittingWatch| watch.after(rows)) {
            Some(Consequence::Ends(reason)) => Some(reason),
            _ => early.map(|_| End::EARLY.to_string()),
        }
    }
}
