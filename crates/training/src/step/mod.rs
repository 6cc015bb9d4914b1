//! A training step, as objectives and gradient rules see it.

mod derived;
mod divergence;
mod info;
mod losses;
mod memory;
mod model;
mod rows;

pub use divergence::kl_divergence;
pub use info::{StepGradients, StepInfo};
pub use losses::Losses;
use memory::Memory;
use model::{StepModel, Typed};
pub(crate) use rows::{hits, ids_by_index, part};

use crate::StepError;
use crate::parameters::{Groups, Parameter, ParameterValues};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Attack, Classifier, Goal, Loss};
use cni_data::Batch;
use cni_noise::{ExampleIds, Key, Noise, scope_at};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// A batch, and the model that is trained on it.
///
/// Everything random in a step has a name, and its key is the batch's key by that name. A forward
/// pass runs under the noise of its name, so that two passes of one name have the same noise, and a
/// step is the same whenever it is repeated.
pub struct Step<'a> {
    batch: Batch,
    /// What is drawn for each example is a function of its id.
    examples: ExampleIds,
    model: Rc<dyn StepModel + 'a>,
    groups: Arc<Groups>,
    /// The model at the beginning of the step, for attacks. Steps derived from this one share it.
    frozen: Rc<OnceCell<Box<dyn Classifier + 'a>>>,
    /// The adversarial images made so far, by name.
    perturbed: Rc<RefCell<BTreeMap<String, Tensor<4>>>>,
    /// The parameters that the last backward pass reached.
    reached: Rc<RefCell<Vec<Parameter>>>,
    memory: Rc<Memory<'a>>,
}

impl<'a> Step<'a> {
    /// The step of `model` on a batch.
    ///
    /// `forward` maps images `[batch, channels, height, width]` to logits `[batch, classes]`. For a
    /// custom training loop, and for Burn's `Learner`; in a run of the
    /// [`Trainer`](crate::Trainer) the trainer makes the steps.
    pub fn new<N: Module + 'static>(
        model: &'a N,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Clone + 'a,
        batch: Batch,
    ) -> Self {
        Self::with_groups(model, forward, batch, Arc::new(Groups::of(model)))
    }

    pub(crate) fn with_groups<N: Module + 'static>(
        model: &'a N,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Clone + 'a,
        batch: Batch,
        groups: Arc<Groups>,
    ) -> Self {
        Self {
            examples: ExampleIds::from(batch.first_example),
            batch,
            model: Rc::new(Typed::borrowed(model, forward)),
            groups,
            frozen: Rc::default(),
            perturbed: Rc::default(),
            reached: Rc::default(),
            memory: Rc::default(),
        }
    }

    /// The batch: images `[batch, channels, height, width]` on the autodiff device, and labels.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The labels, `[batch]`.
    pub fn labels(&self) -> &Tensor<1, Int> {
        &self.batch.labels
    }

    /// The ids of the examples, of which everything that is drawn for one of them is a function:
    /// their positions in the order of the epoch. In a run whose sampler has
    /// [random sizes](cni_data::SamplerRule::sizes_are_random), and after
    /// [`by_index`](Self::by_index), their positions in the data set.
    pub fn examples(&self) -> &ExampleIds {
        &self.examples
    }

    /// The epoch, counted from 0.
    pub fn epoch(&self) -> usize {
        self.batch.epoch
    }

    /// The key of this batch by a name.
    pub fn key(&self, name: &str) -> Key {
        self.batch.key.named(name)
    }

    /// The device of the batch.
    pub fn device(&self) -> Device {
        self.batch.images.device()
    }

    /// The model, if it is of this type.
    pub fn model<N: Module + 'static>(&self) -> Option<&N> {
        self.model.as_any().downcast_ref()
    }

    /// The logits `[batch, classes]` of a training pass over images, under the noise of the name.
    ///
    /// Images on the autodiff device tell batch norm and dropout that this is training.
    pub fn logits(&self, name: &str, images: Tensor<4>) -> Tensor<2> {
        self.under(name, || self.model.logits(images))
    }

    /// Runs a pass of one's own, such as one through another head of the model, under the noise of
    /// the name.
    pub fn under<R>(&self, name: &str, pass: impl FnOnce() -> R) -> R {
        scope_at(Noise::Keyed(self.key(name)), self.examples.clone(), pass)
    }

    /// The logits of the frozen model, under the noise of the name. They carry no gradient of the
    /// model's parameters.
    pub fn frozen_logits(&self, name: &str, images: Tensor<4>) -> Tensor<2> {
        self.under(name, || self.frozen().logits(images))
    }

    /// The model of this step as at inference, noise included, for attacks.
    pub fn frozen(&self) -> &dyn Classifier {
        self.frozen.get_or_init(|| self.model.frozen()).as_ref()
    }

    /// The adversarial images of the batch, ready for a training pass.
    ///
    /// `goal` is the labels to lead away from, or another [`Goal`]. The attack runs once for each
    /// name in a step: a rule that evaluates its objective at several weights sees the same images.
    ///
    /// # Errors
    ///
    /// Those of the attack.
    pub fn perturb(
        &self,
        name: &str,
        attack: &(impl Attack + ?Sized),
        goal: impl Into<Goal>,
    ) -> Result<Tensor<4>, StepError> {
        if let Some(images) = self.perturbed.borrow().get(name) {
            return Ok(images.clone());
        }
        let images = self.batch.images.clone().inner();
        let found = attack
            .on(self.frozen())
            .with_key(self.key(name))
            .with_examples(self.examples.clone())
            .perturb(images, goal)?;
        // The batch lives on the autodiff device, which tells batch norm that this is training.
        let images = found.images.autodiff();
        self.perturbed.borrow_mut().insert(name.to_string(), images.clone());
        Ok(images)
    }

    /// The cross-entropy of each example, `[batch]`.
    pub fn cross_entropy(&self, logits: Tensor<2>) -> Tensor<1> {
        Loss::CrossEntropy.per_example(logits, &self.batch.labels)
    }

    /// 1 for each example whose largest logit is its label's, else 0: `[batch]`.
    pub fn hits(&self, logits: Tensor<2>) -> Tensor<1> {
        hits(logits.inner(), &self.batch.labels)
    }

    /// The gradient of the mean loss over the whole batch, as far as the examples of this step
    /// contribute to it.
    pub fn backward(&self, losses: Losses) -> StepGradients {
        let (mut gradients, losses) = self.differentiate(losses);
        let gradients = self.model.collect(&mut gradients, &self.groups);
        *self.reached.borrow_mut() = gradients.iter().map(|(p, _)| p.clone()).collect();
        StepGradients { gradients, losses }
    }

    /// As [`backward`](Self::backward), in Burn's form.
    pub(crate) fn differentiate(&self, losses: Losses) -> (GradientsParams, Losses) {
        let loss = losses.loss().clone().mean().mul_scalar(self.batch.share());
        let mut gradients = loss.backward();
        self.follow(&mut gradients);
        (self.model.gradients(gradients), losses.inner())
    }

    /// The parameters that the last backward pass reached.
    pub(crate) fn reached(&self) -> Vec<Parameter> {
        self.reached.borrow().clone()
    }

    /// The layer of the model that mixes the examples of a batch, if there is one.
    pub(crate) fn mixing_layer(&self) -> Option<String> {
        self.model.mixing_layer()
    }

    /// The weights of the model's trainable parameters, before any noise.
    pub fn weights(&self) -> ParameterValues {
        self.model.weights(&self.groups)
    }
}
