//! A chain as an operation of Burn's.

use super::backward::backward;
use super::forward::{Forward, Kept, Wanted, forward};
use super::plan::Plan;
use crate::cells::Units;
use crate::flex::{Values, tensor, vector};
use crate::gradients::Parent;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::flex::FlexTensor;
use std::fmt;
use std::sync::Arc;

/// State of a chain for its gradients.
#[derive(Clone)]
pub struct ChainState {
    kept: Arc<Kept>,
    parameters: FlexTensor,
}

impl fmt::Debug for ChainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainState").field("plan", &self.kept.plan).finish_non_exhaustive()
    }
}

/// The output of a chain, the statistics of its norms, and its state.
pub fn forward_of(
    units: Units,
    x: FlexTensor,
    parameters: FlexTensor,
    plan: &Arc<Plan>,
    wanted: Wanted,
) -> (FlexTensor, FlexTensor, ChainState) {
    let (x, parameters) = (Values::new(x), Values::new(parameters));
    let Forward { output, statistics, kept } =
        forward(units, plan, x.slice(), parameters.slice(), wanted);
    let state = ChainState { kept: Arc::new(kept), parameters: parameters.into_tensor() };
    let count = statistics.len();
    (tensor(output, plan.output_dims()), vector(statistics, [count]), state)
}

impl ChainState {
    pub fn backward(
        self,
        [x, parameters]: [Option<Parent>; 2],
        gradient: FlexTensor,
        grads: &mut Gradients,
    ) {
        let (values, gradient) = (Values::new(self.parameters), Values::new(gradient));
        let wanted = Wanted { input: x.is_some(), parameters: parameters.is_some() };
        let (to_x, to_parameters) = backward(&self.kept, values.slice(), gradient.slice(), wanted);
        if let (Some(x), Some(gradient)) = (x, to_x) {
            let input = self.kept.plan.input;
            let dims = [input.batch, input.channels, input.size[0], input.size[1]];
            x.register(tensor(gradient, dims), grads);
        }
        if let (Some(parameters), Some(gradient)) = (parameters, to_parameters) {
            let count = gradient.len();
            parameters.register(vector(gradient, [count]), grads);
        }
    }
}
