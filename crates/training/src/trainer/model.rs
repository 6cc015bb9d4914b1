//! A model in training, as Burn's trainer wants it.

use super::context::Context;
use super::finite::not_finite;
use super::metrics::{Outcome, metric_name};
use crate::averages::moved;
use crate::devices::replica::{attach_statistics, detach_statistics, replica, sum};
use crate::gradients::clip_by_norm;
use crate::parameters::{Parameter, ParameterValues, check_kept};
use crate::step::{Losses, Step, StepGradients, StepInfo, part};
use crate::{Parallel, StepError};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Device, Tensor};
use burn::train::{TrainOutput, TrainStep};
use cni_data::Batch;
use cni_noise::{Key, Noise, scope_at};
use cni_ops::{Precision, autocast};
use std::fmt;

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

    /// The gradients of a batch, part by part.
    fn gradients(&self, batch: Batch) -> Result<(GradientsParams, Losses), StepError> {
        let (n, parts) = (batch.images.dims()[0], self.context.accumulation);
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
        let Context { forward, objective, gradient, groups, .. } = &self.context;
        let examples = batch.images.dims()[0];
        let forward = |net: &N, images| forward.call(net, images);
        let step = Step::with_groups(&self.net, forward, batch, groups.clone());
        let Some(rule) = gradient.rule() else {
            return Ok(step.differentiate(objective.losses(&step)?));
        };
        let StepGradients { gradients, losses } = rule.gradients(objective, &step)?;
        let label = gradient.label();
        check_kept(&label, "gradient", &step.reached(), &gradients)?;
        let losses = losses.check(&label, examples, &objective.scores())?;
        let mut params = GradientsParams::new();
        gradients.into_gradients(&self.net, &mut params);
        Ok((params, losses))
    }

    /// The gradients after the rule has seen the whole batch, and clipped.
    fn finished(
        &self,
        mut gradients: GradientsParams,
        info: &StepInfo,
    ) -> Result<GradientsParams, StepError> {
        let Context { gradient, groups, state, max_grad_norm, signal, .. } = &self.context;
        if let Some(rule) = gradient.rule() {
            let values = ParameterValues::of_gradients(&self.net, &mut gradients, groups);
            let given: Vec<Parameter> = values.iter().map(|(p, _)| p.clone()).collect();
            let mut states = state.take_states();
            let values = rule.finish(values, info, &mut states.0[0]);
            state.put_states(states);
            let values = values?;
            check_kept(&gradient.label(), "gradient", &given, &values)?;
            values.into_gradients(&self.net, &mut gradients);
        }
        // Without a limit the norm would be read back from the device for nothing: a gradient that
        // is not finite shows in the next loss or in the parameters, which are looked at before a
        // checkpoint is written.
        if max_grad_norm.is_some() {
            let (clipped, norm) = clip_by_norm(&self.net, gradients, *max_grad_norm);
            signal.unless_finite("the norm of the gradient", norm);
            return Ok(clipped);
        }
        Ok(gradients)
    }

    /// The model after the rules that follow the optimizer.
    fn followed(mut self, info: &StepInfo) -> Result<Self, (Self, StepError)> {
        let Context { updates, groups, state, .. } = self.context.clone();
        for (i, update) in updates.iter().enumerate() {
            let weights = ParameterValues::of_weights(&self.net, &groups);
            let mut states = state.take_states();
            let changed = update.rule().after(weights, info, &mut states.0[1 + i]);
            state.put_states(states);
            let checked = changed.and_then(|weights| {
                check_kept(&update.label(), "weight", &[], &weights).map(|()| weights)
            });
            match checked {
                Ok(weights) => self.net = weights.into_weights(self.net),
                Err(error) => return Err((self, error)),
            }
        }
        Ok(self)
    }

    /// Moves the average, and keeps the model that validation judges.
    fn note(&self, info: &StepInfo) -> Result<(), StepError> {
        let Context { average, state, signal, .. } = &self.context;
        if let Some(average) = average
            && let Some(weight) = average.weight(info)
        {
            if !(0.0..=1.0).contains(&weight) {
                let wanted = "a number in [0, 1]";
                return Err(StepError::contract(&average.label(), "weight", weight, wanted));
            }
            let model = self.net.valid();
            let moved = match state.take_average() {
                Some(average) if weight < 1.0 => moved(average, &model, weight),
                _ => model,
            };
            state.put_average(moved);
        }
        if info.ends_epoch {
            let model = self.net.valid();
            let judged = state.average();
            // Once an epoch, since a number is read back from the device.
            for model in std::iter::once(&model).chain(&judged) {
                if let Some((path, value)) = not_finite(model) {
                    signal.unless_finite(&format!("the parameter {path}"), value);
                }
            }
            state.put_judged(judged.unwrap_or(model));
        }
        Ok(())
    }
}

impl<N: Module + ModuleDisplay + 'static> TrainStep for InRun<N> {
    type Input = Batch;
    type Output = Outcome;

    fn step(&self, batch: Batch) -> TrainOutput<Outcome> {
        let device = batch.images.device();
        self.context.state.begin(&batch);
        let (key, first, share) = (batch.key, batch.first_example, batch.share());
        let Some(parallel) = self.context.parallel else {
            seed(&device, key);
            return own_scope(key, first, || self.learn(batch));
        };
        let replica = replica(self, &device, parallel);
        let mut output = own_scope(key, first, || replica.learn(batch));
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
        if signal.is_raised() {
            return model;
        }
        let info = state.info();
        let gradients = match model.finished(gradients, &info) {
            Ok(gradients) => gradients,
            Err(error) => {
                signal.raise(error.into());
                return model;
            }
        };
        if signal.is_raised() {
            return model;
        }
        let model = optimizer.step(rate, model, gradients);
        let model = match model.followed(&info) {
            Ok(model) => model,
            Err((model, error)) => {
                signal.raise(error.into());
                return model;
            }
        };
        if let Err(error) = model.note(&info) {
            signal.raise(error.into());
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
fn metrics_of(losses: Losses) -> Vec<(std::sync::Arc<String>, Tensor<1>)> {
    let named = |name: &str, values: &Tensor<1>| (metric_name(name), values.clone());
    let scores = losses.names().filter_map(|name| Some(named(name, losses.score(name)?)));
    std::iter::once(named("loss", losses.loss())).chain(scores).collect()
}

/// Runs a step in a scope of its own in place of the caller's, noise and precision alike.
///
/// A run is a function of its configuration, and a step on another device runs in another thread,
/// which the caller's scope does not reach. The forward passes open scopes of their own within.
pub(super) fn own_scope<R>(key: Key, first_example: u64, step: impl FnOnce() -> R) -> R {
    let noise = Noise::Keyed(key.named("step"));
    autocast(Precision::Full, || scope_at(noise, first_example, step))
}

/// Seeds the device's generator, from which layers of Burn's own such as `Dropout` draw.
///
/// The one place of this library that touches that generator: nothing of ours draws from it, and
/// layers that do are part of the run only if every step finds it in a state that follows from the
/// run's key. It is shared by all threads and devices of the process, so several devices that train
/// at once cannot have it.
pub(super) fn seed(device: &Device, key: Key) {
    let [low, high, ..] = key.named("device").words();
    device.seed(u64::from(low) | u64::from(high) << 32);
}
