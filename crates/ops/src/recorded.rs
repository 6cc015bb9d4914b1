//! Operations as the graph records them: their inputs, what they keep, and their backward passes.

use crate::backward::{Affine, Conv, Mean, Norm, Normalize};
use crate::chain::ChainState;
use crate::flex::{self, Geometry};
use crate::gradients::Parent;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

pub type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Gives a state the backward pass of an operation with the named inputs.
macro_rules! backward {
    ($name:ident, $state:ty, [$($input:ident),+], [$($parent:expr),+]) => {
        #[derive(Debug)]
        pub struct $name;

        impl Backward<Flex, { [$(stringify!($input)),+].len() }> for $name {
            type State = $state;

            fn backward(
                self,
                ops: Ops<Self::State, { [$(stringify!($input)),+].len() }>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let gradient = grads.consume::<Flex>(&ops.node);
                let [$($input),+] = ops.parents.map(|parent| {
                    parent.map(|node| {
                        let (id, order) = (node.id, node.order);
                        Parent::new(id, order, move |grads| grads.consume::<Flex>(&node))
                    })
                });
                ops.state.backward([$($parent),+], gradient, grads);
            }
        }
    };
}

backward!(ConvBackward, Conv, [x, weight, shift], [x, weight, shift, None]);
backward!(ConvAddBackward, Conv, [x, weight, shift, residual], [x, weight, shift, residual]);
backward!(NormBackward, Norm, [x, gamma, beta], [x, gamma, beta, None]);
backward!(NormAddBackward, Norm, [x, gamma, beta, residual], [x, gamma, beta, residual]);
backward!(AffineBackward, Affine, [x, scale, shift], [x, scale, shift, None]);
backward!(AffineAddBackward, Affine, [x, scale, shift, residual], [x, scale, shift, residual]);
backward!(NormalizeBackward, Normalize, [x], [x]);
backward!(MeanBackward, Mean, [x], [x]);
backward!(ChainBackward, ChainState, [x, parameters], [x, parameters]);

/// The output of an operation, registered with what `keep` makes of it where any of the inputs is
/// tracked.
pub fn record<C: CheckpointStrategy, O: Backward<Flex, N>, const N: usize>(
    operation: O,
    nodes: [NodeGuard; N],
    output: FlexTensor,
    keep: impl FnOnce(&FlexTensor) -> O::State,
) -> Tracked<C> {
    match operation.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let state = keep(&output);
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

impl<C: CheckpointStrategy> Conv2dInputs<C> {
    pub fn run(self, relu: bool, geometry: Geometry) -> Tracked<C> {
        let Self { x, weight, shift, residual } = self;
        let primitive = |tensor: &Tracked<C>| tensor.primitive().clone();
        let output = flex::conv2d(
            primitive(&x),
            primitive(&weight),
            primitive(&shift),
            residual.as_ref().map(primitive),
            relu,
            geometry,
        );
        let nodes = [x.node(), weight.node(), shift.node()];
        let keep = |output: &FlexTensor| Conv {
            x: weight.is_tracked().then(|| primitive(&x)),
            weight: x.is_tracked().then(|| primitive(&weight)),
            output: relu.then(|| output.clone()),
            geometry,
        };
        match residual {
            None => record::<C, _, _>(ConvBackward, nodes, output, keep),
            Some(residual) => {
                let [x, weight, shift] = nodes;
                record::<C, _, _>(
                    ConvAddBackward,
                    [x, weight, shift, residual.node()],
                    output,
                    keep,
                )
            }
        }
    }
}

pub struct Conv2dInputs<C: CheckpointStrategy> {
    pub x: Tracked<C>,
    pub weight: Tracked<C>,
    pub shift: Tracked<C>,
    pub residual: Option<Tracked<C>>,
}

pub struct NormInputs<C: CheckpointStrategy> {
    pub x: Tracked<C>,
    pub gamma: Tracked<C>,
    pub beta: Tracked<C>,
    pub residual: Option<Tracked<C>>,
}

impl<C: CheckpointStrategy> NormInputs<C> {
    pub fn run(self, epsilon: f64, relu: bool) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let Self { x, gamma, beta, residual } = self;
        let primitive = |tensor: &Tracked<C>| tensor.primitive().clone();
        let (output, mean, variance) = flex::norm(
            primitive(&x),
            [primitive(&gamma), primitive(&beta)],
            residual.as_ref().map(primitive),
            epsilon,
            relu,
        );
        let nodes = [x.node(), gamma.node(), beta.node()];
        let keep = |output: &FlexTensor| Norm {
            x: primitive(&x),
            channels: [primitive(&gamma), mean.clone(), variance.clone()],
            output: relu.then(|| output.clone()),
            epsilon,
        };
        let output = match residual {
            None => record::<C, _, _>(NormBackward, nodes, output, keep),
            Some(residual) => {
                let [x, gamma, beta] = nodes;
                record::<C, _, _>(NormAddBackward, [x, gamma, beta, residual.node()], output, keep)
            }
        };
        (output, Tracked::<C>::new(mean), Tracked::<C>::new(variance))
    }
}

pub struct AffineInputs<C: CheckpointStrategy> {
    pub x: Tracked<C>,
    pub scale: Tracked<C>,
    pub shift: Tracked<C>,
    pub residual: Option<Tracked<C>>,
}

impl<C: CheckpointStrategy> AffineInputs<C> {
    pub fn run(self, relu: bool) -> Tracked<C> {
        let Self { x, scale, shift, residual } = self;
        let primitive = |tensor: &Tracked<C>| tensor.primitive().clone();
        let output = flex::affine(
            primitive(&x),
            [primitive(&scale), primitive(&shift)],
            residual.as_ref().map(primitive),
            relu,
        );
        let nodes = [x.node(), scale.node(), shift.node()];
        let keep = |output: &FlexTensor| Affine {
            x: scale.is_tracked().then(|| primitive(&x)),
            scale: x.is_tracked().then(|| primitive(&scale)),
            output: relu.then(|| output.clone()),
        };
        match residual {
            None => record::<C, _, _>(AffineBackward, nodes, output, keep),
            Some(residual) => {
                let [x, scale, shift] = nodes;
                let nodes = [x, scale, shift, residual.node()];
                record::<C, _, _>(AffineAddBackward, nodes, output, keep)
            }
        }
    }
}
