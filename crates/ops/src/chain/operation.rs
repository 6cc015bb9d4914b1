//! A chain as an operation of Burn's.

use super::backward::backward;
use super::forward::{Forward, Kept, Wanted, forward};
use super::plan::Plan;
use crate::cells::Units;
use crate::flex::{Values, tensor, vector};
use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::flex::FlexTensor;
use std::fmt;
use std::sync::Arc;

/// State of a chain for its gradients.
#[derive(Clone)]
pub struct ChainState {
    kept: Arc<Kept>,
    parameters: FlexTensor,
    wanted: Wanted,
}

impl fmt::Debug for ChainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainState").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// The output of a chain, the statistics of its norms, and its state.
pub fn forward_of(
    units: Units,
    x: FlexTensor,
    parameters: FlexTensor,
    plan: &Arc<Plan>,
    [input, parameters_wanted]: [bool; 2],
) -> (FlexTensor, FlexTensor, ChainState) {
    let wanted = Wanted { input, parameters: parameters_wanted };
    let (x, parameters) = (Values::new(x), Values::new(parameters));
    let Forward { output, statistics, kept } =
        forward(units, plan, x.slice(), parameters.slice(), wanted);
    let state = ChainState { kept: Arc::new(kept), parameters: parameters.into_tensor(), wanted };
    let count = statistics.len();
    (tensor(output, plan.output_dims()), vector(statistics, [count]), state)
}

/// Registers the gradients of a chain.
pub fn backward_of(
    state: ChainState,
    [x, parameters]: [Option<NodeId>; 2],
    gradient: FlexTensor,
    grads: &mut Gradients,
) {
    let values = Values::new(state.parameters);
    let wanted = Wanted { input: x.is_some(), parameters: parameters.is_some() };
    let gradient = Values::new(gradient);
    let (to_x, to_parameters) = backward(&state.kept, values.slice(), gradient.slice(), wanted);
    if let (Some(node), Some(gradient)) = (x, to_x) {
        let input = state.kept.plan.input;
        let dims = [input.batch, input.channels, input.size[0], input.size[1]];
        grads.register::<Flex>(node, tensor(gradient, dims));
    }
    if let (Some(node), Some(gradient)) = (parameters, to_parameters) {
        let count = gradient.len();
        grads.register::<Flex>(node, vector(gradient, [count]));
    }
}
