//! What an objective keeps from step to step, and what follows its backward pass.

use super::Step;
use crate::state::RuleState;
use burn::tensor::{Gradients, Tensor};
use std::cell::RefCell;

/// The memory of the objective, and what it wants to know of the backward pass. Steps derived from
/// one share it.
#[derive(Default)]
pub(crate) struct Memory<'a> {
    state: RefCell<RuleState>,
    waiting: RefCell<Vec<Waiting<'a>>>,
}

/// Images that a gradient is wanted of, and the function that gets it.
type Waiting<'a> = (Tensor<4>, Box<dyn FnOnce(&Step<'a>, Tensor<4>) + 'a>);

impl<'a> Step<'a> {
    /// The tensor `[n]` that the objective remembers by a name from an earlier step; `None` before
    /// the first [`remember`](Self::remember).
    ///
    /// A trainer keeps and saves the memory of an objective that
    /// [has one](crate::ObjectiveRule::has_memory).
    pub fn recall(&self, name: &str) -> Option<Tensor<1>> {
        self.memory.state.borrow().tensor(name)
    }

    /// Remembers a tensor for the next step, without its graph.
    pub fn remember(&self, name: &str, tensor: Tensor<1>) {
        self.memory.state.borrow_mut().set_tensor(name, tensor);
    }

    /// Calls a function with the gradient of the mean loss over the whole batch with respect to
    /// `images`, a leaf of the tape, once the step has made its backward pass.
    pub fn after_backward(&self, images: Tensor<4>, then: impl FnOnce(&Step<'a>, Tensor<4>) + 'a) {
        self.memory.waiting.borrow_mut().push((images, Box::new(then)));
    }

    /// Hands on the gradients that were asked for.
    pub(super) fn follow(&self, gradients: &mut Gradients) {
        let waiting = self.memory.waiting.take();
        for (images, then) in waiting {
            if let Some(gradient) = images.grad_remove(gradients) {
                then(self, gradient);
            }
        }
    }

    /// Takes the memory of the step before.
    pub(crate) fn set_memory(&self, state: RuleState) {
        self.memory.state.replace(state);
    }

    /// The memory for the next step.
    pub(crate) fn take_memory(&self) -> RuleState {
        self.memory.state.take()
    }
}
