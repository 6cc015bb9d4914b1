//! A model in training, as Burn's trainer wants it.

use super::context::Context;
use super::metrics::{Outcome, metric_name};
use super::scope::{own_scope, seed};
use crate::devices::replica::{attach_statistics, detach_statistics, replica, sum};
use crate::parameters::{ParameterValues, check_kept};
use crate::step::{Losses, Step, StepGradients, part};
use crate::{Parallel, StepError};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::Tensor;
use burn::train::{TrainOutput, TrainStep};
use cni_data::Batch;
use std::fmt;
use std::sync::Arc;

/// The model with the context of its run.
///
/// The context is a type parameter of its own, because Burn's derive admits no skipped field whose
/// type names a module.
#[derive(Module, Debug)]
pub(crate) struct TrainableModel<N: Module, C: Clone + fmt::Debug + Send> {
    pub net: N,
    #[module(skip)]
    pub context: C,
}

/// The model of a run.
pub(crate) type InRun<N> = TrainableModel<N, Context<N>>;

impl<N: Module + ModuleDisplay + 'static> InRun<N> {
    /// The gradient of a batch: of the mean over the whole of it, as far as its share here goes.
    fn learn(&self, batch: Batch) -> TrainOutput<Outcome> {
        let first = batch.first_example;
        if batch.whole == 0 {
            return TrainOutput { grads: self.zero(), item: Outcome { first, values: Vec::new() } };
        }
        let (grads, values) = match self.gradients(batch) {
            Ok((gradients, losses)) => (gradients, metrics_of(losses)),
            // The run stops after this step, in which nothing is updated.
            Err(error) => {
                self.context.signal.raise(error.into());
                (GradientsParams::new(), Vec::new())
            }
        };
        TrainOutput { grads, item: Outcome { first, values } }
    }

    /// The gradient of an empty batch: zero for each trainable parameter.
    fn zero(&self) -> GradientsParams {
        let weights = ParameterValues::of_weights(&self.net, &self.context.groups);
        let mut gradients = GradientsParams::new();
        weights.map(|_, weight| weight.zeros_like()).into_gradients(&self.net, &mut gradients);
        gradients
    }

    /// The gradients of a batch, part by part.
    fn gradients(&self, batch: Batch) -> Result<(GradientsParams, Losses), StepError> {
        let n = batch.images.dims()[0];
        let parts = self.context.micro_batch.map_or(1, |most| n.div_ceil(most));
        let parts = parts.max(self.context.accumulation);
        if parts == 1 {
            return self.gradients_of_part(batch);
        }
        let mut sum = GradientsAccumulator::new();
        let mut losses = Vec::new();
        for examples in (0..parts).map(|i| n * i / parts..n * (i + 1) / parts) {
            if !examples.is_empty() {
                let (gradients, own) = self.gradients_of_part(part(&batch, examples))?;
                sum.accumulate(&self.net, gradients);
                losses.push(own);
            }
        }
        let empty = || StepError::contract("batch", "examples", 0, "at least 1");
        Ok((sum.grads(), Losses::joined(losses).ok_or_else(empty)?))
    }

    fn gradients_of_part(&self, batch: Batch) -> Result<(GradientsParams, Losses), StepError> {
        let Context { forward, objective, gradient, groups, state, .. } = &self.context;
        let examples = batch.images.dims()[0];
        let forward = |net: &N, images| forward.call(net, images);
        let step = Step::with_groups(&self.net, forward, batch, groups.clone());
        let step = if self.context.by_index { step.by_index() } else { step };
        let Some(rule) = gradient.rule() else {
            if !objective.has_memory() {
                return Ok(step.differentiate(objective.losses(&step)?));
            }
            step.set_memory(state.take_memory());
            let found = step.differentiate(objective.losses(&step)?);
            state.put_memory(step.take_memory());
            return Ok(found);
        };
        let StepGradients { gradients, losses } = rule.gradients(objective, &step)?;
        let label = gradient.label();
        check_kept(&label, "gradient", &step.reached(), &gradients)?;
        let scores = [objective.scores(), gradient.scores()].concat();
        let losses = losses.check(&label, examples, &scores)?;
        let mut params = GradientsParams::new();
        gradients.into_gradients(&self.net, &mut params);
        Ok((params, losses))
    }
}

impl<N: Module + ModuleDisplay + 'static> TrainStep for InRun<N> {
    type Input = Batch;
    type Output = Outcome;

    fn step(&self, batch: Batch) -> TrainOutput<Outcome> {
        let device = batch.images.device();
        self.context.state.begin(&batch);
        let (key, ids, share) = (batch.key, self.context.examples(&batch), batch.share());
        let Some(parallel) = self.context.parallel else {
            seed(&device, key);
            return own_scope(key, ids, || self.learn(batch));
        };
        let replica = replica(self, &device, parallel);
        let mut output = own_scope(key, ids, || replica.learn(batch));
        let weight = match parallel {
            Parallel::Multi => share,
            #[cfg(feature = "experimental-ddp")]
            Parallel::Ddp => 1.0,
        };
        attach_statistics(&replica, weight, &mut output.grads);
        output
    }

    fn optimize(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        let (model, gradients) = match self.context.parallel {
            Some(parallel) => detach_statistics(self, gradients, parallel),
            None => (self, gradients),
        };
        let (signal, state) = (model.context.signal.clone(), model.context.state.clone());
        let info = state.info(rate.base());
        if signal.is_raised() {
            return model;
        }
        let gradients = model.finished(gradients, &info);
        if signal.is_raised() {
            return model;
        }
        let model = optimizer.step(rate, model, gradients).followed(&info);
        if !signal.is_raised() {
            model.note(&info);
        }
        state.advance();
        model
    }

    /// One step with the gradient of the whole batch, so that its norm is what is clipped.
    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        let gradients = sum(&self, gradients);
        self.optimize(optimizer, rate, gradients)
    }
}

/// Losses and scores by the names of metrics.
fn metrics_of(losses: Losses) -> Vec<(Arc<String>, Tensor<1>)> {
    let named = |name: &str, values: &Tensor<1>| (metric_name(name), values.clone());
    let scores = losses.names().filter_map(|name| Some(named(name, losses.score(name)?)));
    std::iter::once(named("loss", losses.loss())).chain(scores).collect()
}
