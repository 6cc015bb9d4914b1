//! The operations with gradients, on Flex: what each records.

use crate::backward::{Affine, Conv, Norm};
use crate::cells::Units;
use crate::chain::{ChainState, Plan, backward_of, forward_of};
use crate::extension::FastOps;
use crate::flex::{self, Geometry};
use crate::gradients::Parent;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use std::sync::Arc;

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Gives a state the backward pass of an operation with the named inputs.
macro_rules! backward {
    ($name:ident, $state:ty, [$($input:ident),+], [$($parent:expr),+]) => {
        #[derive(Debug)]
        struct $name;

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

#[derive(Debug)]
struct NormalizeBackward;

impl Backward<Flex, 1> for NormalizeBackward {
    /// The standard deviations.
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node);
        if let [Some(x)] = ops.parents {
            grads.register::<Flex>(x.id, flex::normalize_gradient(gradient, ops.state));
        }
    }
}

#[derive(Debug)]
struct MeanBackward;

impl Backward<Flex, 1> for MeanBackward {
    /// The shape of the input.
    type State = [usize; 4];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node);
        if let [Some(x)] = ops.parents {
            grads.register::<Flex>(x.id, flex::spatial_mean_gradient(gradient, ops.state));
        }
    }
}

/// The output of an operation, registered with what `keep` makes of it where any of the inputs is
/// tracked.
fn record<C: CheckpointStrategy, O: Backward<Flex, N>, const N: usize>(
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
    fn run(self, relu: bool, geometry: Geometry) -> Tracked<C> {
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

struct Conv2dInputs<C: CheckpointStrategy> {
    x: Tracked<C>,
    weight: Tracked<C>,
    shift: Tracked<C>,
    residual: Option<Tracked<C>>,
}

struct NormInputs<C: CheckpointStrategy> {
    x: Tracked<C>,
    gamma: Tracked<C>,
    beta: Tracked<C>,
    residual: Option<Tracked<C>>,
}

impl<C: CheckpointStrategy> NormInputs<C> {
    fn run(self, epsilon: f64, relu: bool) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
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

struct AffineInputs<C: CheckpointStrategy> {
    x: Tracked<C>,
    scale: Tracked<C>,
    shift: Tracked<C>,
    residual: Option<Tracked<C>>,
}

impl<C: CheckpointStrategy> AffineInputs<C> {
    fn run(self, relu: bool) -> Tracked<C> {
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

impl<C: CheckpointStrategy> FastOps for Autodiff<Flex, C> {
    fn fast_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        Conv2dInputs::<C> { x, weight, shift, residual: None }.run(relu, geometry)
    }

    fn fast_conv2d_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        Conv2dInputs::<C> { x, weight, shift, residual: Some(residual) }.run(relu, geometry)
    }

    fn fast_affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        AffineInputs::<C> { x, scale, shift, residual: None }.run(relu)
    }

    fn fast_affine_add(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        AffineInputs::<C> { x, scale, shift, residual: Some(residual) }.run(relu)
    }

    fn fast_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        NormInputs::<C> { x, gamma, beta, residual: None }.run(epsilon, relu)
    }

    fn fast_norm_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        NormInputs::<C> { x, gamma, beta, residual: Some(residual) }.run(epsilon, relu)
    }

    fn fast_chain(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        plan: Arc<Plan>,
        units: Units,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let wanted = [x.is_tracked(), parameters.is_tracked()];
        let nodes = [x.node(), parameters.node()];
        let (output, statistics, state) =
            forward_of(units, x.into_primitive(), parameters.into_primitive(), &plan, wanted);
        let output = record::<C, _, _>(ChainBackward, nodes, output, |_| state);
        (output, Tracked::<C>::new(statistics))
    }

    fn fast_normalize(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        std: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let std = std.into_primitive();
        let output = flex::normalize(x.primitive().clone(), [mean.into_primitive(), std.clone()]);
        record::<C, _, _>(NormalizeBackward, [x.node()], output, |_| std)
    }

    fn fast_spatial_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let output = flex::spatial_mean(x.primitive().clone());
        record::<C, _, _>(MeanBackward, [x.node()], output, |_| x.shape().dims())
    }
}

#[derive(Debug)]
struct ChainBackward;

impl Backward<Flex, 2> for ChainBackward {
    type State = ChainState;

    fn backward(self, ops: Ops<ChainState, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        backward_of(ops.state, nodes, gradient, grads);
    }
}
