//! Steps derived from one: at other weights, apart from its statistics, on some of its examples.

use super::rows::{ids_by_index, ids_of};
use super::{Step, part};
use crate::parameters::ParameterValues;
use burn::tensor::Tensor;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

impl<'a> Step<'a> {
    /// The same step at other weights. Parameters without a value keep theirs.
    ///
    /// Attacks keep to the model of this step, and adversarial images that were made stay. Running
    /// statistics are shared: training passes of both steps move them.
    pub fn at(&self, weights: ParameterValues) -> Step<'a> {
        Step { model: self.model.with_weights(weights), ..self.derived() }
    }

    /// The same step on a copy of the model with running statistics of its own: training passes
    /// leave those of the model as they are.
    ///
    /// For a rule that asks for a gradient in passing: the statistics of batch norm are to move
    /// once a step, by the passes of the gradient that is returned. Attacks keep to the model of
    /// this step, and adversarial images that were made stay, in both steps.
    pub fn apart(&self) -> Step<'a> {
        // Attacks are to see the model itself, whichever step asks first.
        self.frozen();
        Step { model: self.model.apart(), ..self.derived() }
    }

    /// The same step with the positions in the data set as the ids of its examples. What is drawn
    /// for an example, such as the start of an attack, is then no function of how many examples the
    /// batches before it and its own have.
    ///
    /// It is for a step that has made no adversarial images yet: those that were made stay.
    pub fn by_index(&self) -> Step<'a> {
        Step { examples: ids_by_index(&self.batch), ..self.derived() }
    }

    /// The same step on some examples of the batch, such as one. Adversarial images that were made
    /// are those of the examples.
    ///
    /// # Panics
    ///
    /// If the range is empty or exceeds the batch.
    pub fn part(&self, examples: Range<usize>) -> Step<'a> {
        let batch = part(&self.batch, examples.clone());
        let rows = |images: &Tensor<4>| images.clone().narrow(0, examples.start, examples.len());
        let perturbed = self.perturbed.borrow();
        let perturbed = perturbed.iter().map(|(name, images)| (name.clone(), rows(images)));
        let perturbed = Rc::new(RefCell::new(perturbed.collect()));
        Step { batch, examples: ids_of(&self.examples, examples), perturbed, ..self.derived() }
    }

    fn derived(&self) -> Self {
        Self {
            batch: self.batch.clone(),
            examples: self.examples.clone(),
            model: self.model.clone(),
            groups: self.groups.clone(),
            frozen: self.frozen.clone(),
            perturbed: self.perturbed.clone(),
            reached: self.reached.clone(),
            memory: self.memory.clone(),
        }
    }
}
