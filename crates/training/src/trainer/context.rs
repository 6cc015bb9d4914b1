//! Context that the steps of a run share, besides the model.

use super::forward::Forward;
use super::statistics::StatisticsPass;
use crate::parameters::Groups;
use crate::state::{RuleState, RuleStates};
use crate::step::{StepInfo, ids_by_index};
use crate::stop::StopSignal;
use crate::{Average, Gradient, Objective, Parallel, Update};
use burn::tensor::{Int, Tensor};
use cni_attacks::Attack;
use cni_data::Batch;
use cni_noise::{ExampleIds, Key};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// A score of validation logits `[batch, classes]` and labels `[batch]`: `[batch]`.
pub(crate) type Score = dyn Fn(&Tensor<2>, &Tensor<1, Int>) -> Tensor<1> + Send + Sync;

/// The settings of a run's steps, and what the steps hand on to each other.
pub(crate) struct Context<N> {
    pub forward: Forward<N>,
    pub objective: Objective,
    pub gradient: Gradient,
    pub updates: Vec<Update>,
    pub average: Option<Average>,
    /// How the running statistics of the averaged model are recomputed, if they are.
    pub statistics: Option<Arc<StatisticsPass>>,
    pub max_grad_norm: Option<f64>,
    /// Parts of each batch.
    pub accumulation: usize,
    /// The most examples of a part.
    pub micro_batch: Option<usize>,
    pub validation_attack: Option<Arc<dyn Attack>>,
    /// Draws of the model's noise that validation judges each example by.
    pub validation_draws: usize,
    /// Custom scores of validation, by name.
    pub metrics: Vec<(String, Arc<Score>)>,
    /// The way in which devices share a step, if there are several.
    pub parallel: Option<Parallel>,
    /// True if examples are known by their positions in the data set, and not by those in the
    /// epoch: the sizes of the batches before are random.
    pub by_index: bool,
    pub groups: Arc<Groups>,
    pub signal: StopSignal,
    pub state: Arc<RunState<N>>,
}

impl<N> Clone for Context<N> {
    fn clone(&self) -> Self {
        Self {
            forward: self.forward.clone(),
            objective: self.objective.clone(),
            gradient: self.gradient.clone(),
            updates: self.updates.clone(),
            average: self.average.clone(),
            statistics: self.statistics.clone(),
            max_grad_norm: self.max_grad_norm,
            accumulation: self.accumulation,
            micro_batch: self.micro_batch,
            validation_attack: self.validation_attack.clone(),
            validation_draws: self.validation_draws,
            metrics: self.metrics.clone(),
            parallel: self.parallel,
            by_index: self.by_index,
            groups: self.groups.clone(),
            signal: self.signal.clone(),
            state: self.state.clone(),
        }
    }
}

impl<N> Context<N> {
    /// The ids of the examples of a training batch.
    pub fn examples(&self, batch: &Batch) -> ExampleIds {
        match self.by_index {
            true => ids_by_index(batch),
            false => ExampleIds::from(batch.first_example),
        }
    }
}

impl<N> fmt::Debug for Context<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.objective)
    }
}

/// The state that the steps of a run hand on to each other.
pub(crate) struct RunState<N> {
    steps_per_epoch: usize,
    /// Calls of the optimizer for each step: more than one if each device has an optimizer.
    optimizers: usize,
    inner: Mutex<Inner<N>>,
}

struct Inner<N> {
    /// Key, epoch and size of the batch at hand.
    batch: (Key, usize, usize),
    /// Calls of the optimizer so far.
    optimized: usize,
    states: RuleStates,
    average: Option<N>,
    ended: Option<Ended<N>>,
}

/// The model after the last step of an epoch, as at inference.
pub(crate) struct Ended<N> {
    /// The model in training.
    pub trained: N,
    /// The one that validation judges: its average, in a run that averages.
    pub judged: N,
}

impl<N: Clone> RunState<N> {
    /// The beginning of a run, or of the rest of one, after so many epochs.
    pub fn new(
        steps_per_epoch: usize,
        optimizers: usize,
        epochs: usize,
        states: RuleStates,
        average: Option<N>,
    ) -> Self {
        let optimized = epochs * steps_per_epoch * optimizers;
        let batch = (Key::new(0), epochs, 0);
        let inner = Inner { batch, optimized, states, average, ended: None };
        Self { steps_per_epoch, optimizers, inner: Mutex::new(inner) }
    }

    /// Notes the batch that the next update is of.
    pub fn begin(&self, batch: &Batch) {
        self.lock().batch = (batch.key, batch.epoch, batch.whole);
    }

    /// The update that is made now, at this learning rate.
    pub fn info(&self, lr: f64) -> StepInfo {
        let inner = self.lock();
        let (key, epoch, examples) = inner.batch;
        let step = inner.optimized / self.optimizers;
        let last = (inner.optimized + 1).is_multiple_of(self.steps_per_epoch * self.optimizers);
        StepInfo { key, epoch, step, ends_epoch: last, examples, lr }
    }

    /// Counts the update.
    pub fn advance(&self) {
        self.lock().optimized += 1;
    }

    /// The memories of the rules, for the time of an update.
    pub fn take_states(&self) -> RuleStates {
        std::mem::take(&mut self.lock().states)
    }

    pub fn put_states(&self, states: RuleStates) {
        self.lock().states = states;
    }

    /// The memory of the objective, for the time of a step on the one device that has it.
    pub fn take_memory(&self) -> RuleState {
        self.lock().states.0.last_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn put_memory(&self, memory: RuleState) {
        if let Some(of_objective) = self.lock().states.0.last_mut() {
            *of_objective = memory;
        }
    }

    pub fn states(&self) -> RuleStates {
        self.lock().states.clone()
    }

    pub fn average(&self) -> Option<N> {
        self.lock().average.clone()
    }

    pub fn take_average(&self) -> Option<N> {
        self.lock().average.take()
    }

    pub fn put_average(&self, average: N) {
        self.lock().average = Some(average);
    }

    pub fn put_ended(&self, ended: Ended<N>) {
        self.lock().ended = Some(ended);
    }

    pub fn take_ended(&self) -> Option<Ended<N>> {
        self.lock().ended.take()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<N>> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
