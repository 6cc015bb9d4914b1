//! A model in training, as Burn's trainer wants it: one file, because its step and its validation
//! share how a batch is attacked and judged.

use crate::finite::not_finite;
use crate::metrics::Outcome;
use crate::objective::{Objective, hits, perturb};
use crate::optimizer::clip_by_norm;
use crate::replica::{attach_statistics, detach_statistics, replica, sum};
use crate::stop::Fault;
use crate::watch::Watch;
use crate::{Parallel, StopReason};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use cni_attacks::{Attack, Classifier, FrozenModel, Loss};
use cni_data::Batch;
use cni_noise::{Key, Noise, scope_at};
use cni_ops::{Precision, autocast};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// How a model maps images to logits.
///
/// The type of the model is erased, because Burn's derive admits no generic field that is not
/// itself a module.
#[derive(Clone)]
pub(crate) struct Forward {
    /// The element type in which training and attacks multiply.
    precision: Precision,
    erased: Arc<ErasedForward>,
}

type ErasedForward = dyn Fn(&dyn Any, Tensor<4>) -> Tensor<2> + Send + Sync;

impl Forward {
    pub fn new<N: 'static>(
        precision: Precision,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
    ) -> Self {
        let erased = move |net: &dyn Any, images| {
            let net = net.downcast_ref::<N>();
            let net = net.expect("a forward is called with the model it was made for");
            forward(net, images)
        };
        Self { precision, erased: Arc::new(erased) }
    }

    pub fn call<N: 'static>(&self, net: &N, images: Tensor<4>) -> Tensor<2> {
        autocast(self.precision, || (self.erased)(net, images))
    }

    /// The same in full precision, for judging.
    pub fn exact(&self) -> Self {
        Self { precision: Precision::Full, erased: self.erased.clone() }
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

/// What a step needs besides the model.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub objective: Objective,
    pub validation_attack: Option<Arc<dyn Attack>>,
    /// Draws of the model's noise that validation judges each example by.
    pub validation_draws: usize,
    pub clip: Option<f64>,
    /// How devices share a step, where there are several.
    pub parallel: Option<Parallel>,
    pub fault: Fault,
    pub watch: Watch,
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.objective)
    }
}

/// The model with its recipe.
#[derive(Module, Debug)]
pub(crate) struct Trainee<N: Module> {
    pub net: N,
    #[module(skip)]
    pub forward: Forward,
    #[module(skip)]
    pub recipe: Recipe,
}

impl<N: Module + ModuleDisplay + 'static> Trainee<N> {
    fn frozen(&self) -> FrozenModel<N, impl Fn(&N, Tensor<4>) -> Tensor<2> + use<N>> {
        self.victim_by(self.forward.clone())
    }

    fn victim_by(
        &self,
        forward: Forward,
    ) -> FrozenModel<N, impl Fn(&N, Tensor<4>) -> Tensor<2> + use<N>> {
        FrozenModel::new(&self.net, move |net: &N, images| forward.call(net, images))
    }

    /// The loss of each example in inference and in full precision, and how often it was classified
    /// correctly: means over draws of the noise, which are the same in every epoch.
    fn judge(&self, images: Tensor<4>, batch: &Batch, name: &str) -> (Tensor<1>, Tensor<1>) {
        let frozen = self.victim_by(self.forward.exact());
        let (images, draws) = (images.inner(), self.recipe.validation_draws);
        let judged = (0..draws as u64).map(|draw| {
            let key = batch.key.named(name).child(draw);
            seed(&images.device(), key);
            let noise = Noise::Keyed(key);
            let logits = scope_at(noise, batch.first_example, || frozen.logits(images.clone()));
            let loss = Loss::CrossEntropy.per_example(logits.clone(), &batch.labels);
            (loss, hits(logits, &batch.labels))
        });
        let sum = judged.reduce(|(loss, hit), (l, h)| (loss + l, hit + h));
        let (loss, hit) = sum.expect("the configuration has at least one draw");
        match draws {
            1 => (loss, hit),
            draws => (loss.div_scalar(draws as f64), hit.div_scalar(draws as f64)),
        }
    }

    /// The gradient of a batch: of the mean over the whole of it, as far as its share here goes.
    fn learn(&self, batch: &Batch) -> TrainOutput<Outcome> {
        let model = |images| self.forward.call(&self.net, images);
        let recipe = &self.recipe;
        let frozen = || Box::new(self.frozen()) as Box<dyn Classifier>;
        let losses = recipe.objective.step(model, frozen, batch).or_else(|error| {
            recipe.fault.raise(StopReason::Attack(error));
            // The run stops after this step, whose gradients `optimize` throws away: a clean step
            // fills the gap.
            Objective::clean().step(model, frozen, batch)
        });
        let losses =
            losses.unwrap_or_else(|error| unreachable!("a clean step has no attack: {error}"));
        let gradients = losses.loss.clone().mean().mul_scalar(batch.share()).backward();
        let outcome = Outcome {
            first: batch.first_example,
            loss: losses.loss.inner(),
            clean: losses.clean,
            robust: losses.robust,
        };
        TrainOutput::new(self, gradients, outcome)
    }
}

impl<N: Module + ModuleDisplay + 'static> TrainStep for Trainee<N> {
    type Input = Batch;
    type Output = Outcome;

    fn step(&self, batch: Batch) -> TrainOutput<Outcome> {
        let device = batch.images.device();
        let Some(parallel) = self.recipe.parallel else {
            seed(&device, batch.key);
            return own_scope(&batch, || self.learn(&batch));
        };
        let replica = replica(self, &device, parallel);
        let mut output = own_scope(&batch, || replica.learn(&batch));
        let weight = match parallel {
            Parallel::Multi => batch.share(),
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
        let (model, gradients) = match self.recipe.parallel {
            Some(parallel) => detach_statistics(self, gradients, parallel),
            None => (self, gradients),
        };
        // Without a limit the norm would be read back from the device for nothing: a gradient that
        // is not finite shows in the next loss or in the parameters, which validation looks at
        // before a checkpoint is written.
        let gradients = match model.recipe.clip {
            None => gradients,
            Some(_) => {
                let (gradients, norm) = clip_by_norm(&model, gradients, model.recipe.clip);
                model.recipe.fault.unless_finite("the norm of the gradient", norm);
                gradients
            }
        };
        if model.recipe.fault.is_raised() {
            return model;
        }
        optimizer.step(rate, model, gradients)
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

impl<N: Module + ModuleDisplay + 'static> InferenceStep for Trainee<N> {
    type Input = Batch;
    type Output = Outcome;

    fn step(&self, batch: Batch) -> Outcome {
        own_scope(&batch, || {
            // Once an epoch, since a number is read back from the device.
            if batch.first_example == 0
                && let Some((path, value)) = not_finite(&self.net)
            {
                self.recipe.fault.unless_finite(&format!("the parameter {path}"), value);
            }
            self.recipe.watch.look(&self.net);
            let (loss, clean) = self.judge(batch.images.clone(), &batch, "clean");
            let robust = self.recipe.validation_attack.as_ref().and_then(|attack| {
                let labels = batch.labels.clone();
                seed(&batch.images.device(), batch.key);
                match perturb(attack.as_ref(), &self.frozen(), &batch, labels) {
                    Ok(images) => Some(self.judge(images, &batch, "adversarial").1),
                    Err(error) => {
                        self.recipe.fault.raise(StopReason::Attack(error));
                        None
                    }
                }
            });
            Outcome { first: batch.first_example, loss, clean: Some(clean), robust }
        })
    }
}

/// Runs a step in a scope of its own in place of the caller's, noise and precision alike.
///
/// A run is a function of its configuration, and a step on another device runs in another thread,
/// which the caller's scope does not reach. The forward passes open scopes of their own within.
fn own_scope<R>(batch: &Batch, step: impl FnOnce() -> R) -> R {
    let noise = Noise::Keyed(batch.key.named("step"));
    autocast(Precision::Full, || scope_at(noise, batch.first_example, step))
}

/// Seeds the device's generator, from which layers of Burn's own such as `Dropout` draw.
///
/// The one place of this library that touches that generator: nothing of ours draws from it, and
/// layers that do are part of the run only if every step finds it in a state that follows from the
/// run's key. It is shared by all threads and devices of the process, so several devices that train
/// at once cannot have it.
pub(crate) fn seed(device: &Device, key: Key) {
    let [low, high, ..] = key.named("device").words();
    device.seed(u64::from(low) | u64::from(high) << 32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use cni_ops::current_precision;

    #[test]
    fn a_model_runs_in_the_precision_of_its_run_and_nothing_else_does() {
        let forward = Forward::new(Precision::Bf16, |_: &(), images: Tensor<4>| {
            assert_eq!(current_precision(), Precision::Bf16);
            images.reshape([1, 1])
        });
        forward.call(&(), Tensor::ones([1, 1, 1, 1], &Device::flex()));
        assert_eq!(current_precision(), Precision::Full);
    }
}
