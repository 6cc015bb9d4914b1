//! The backward pass, for every backend that has the kernels.

use super::launch::NoiseLaunch;
use super::operations::NoiseOperations;
use crate::draw::{Distribution, Stream};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, TensorMetadata};
use burn::tensor::{FloatDType, Shape};

/// State of the backward pass: never a draw.
#[derive(Clone, Debug)]
struct Kept<B: NoiseOperations> {
    /// Kept if the gradient passes through the standard deviation.
    x: Option<FloatTensor<B>>,
    moments: FloatTensor<B>,
    parameter: FloatTensor<B>,
    factor: FloatTensor<B>,
    launch: NoiseLaunch,
}

impl<B: NoiseOperations> Kept<B> {
    /// The gradient of the parameter: its elements' gradients, summed if they share an
    /// amplitude.
    fn shared_amplitudes(&self, slopes: FloatTensor<B>) -> FloatTensor<B> {
        let NoiseLaunch { amplitudes: n, stride, elements, .. } = self.launch;
        if n == elements {
            return slopes;
        }
        let stride = if n == 1 { elements } else { stride };
        let outer = elements / (n * stride);
        let sums = B::float_sum_dim(B::float_reshape(slopes, Shape::new([outer * n, stride])), 1);
        let sums = B::float_sum_dim(B::float_reshape(sums, Shape::new([outer, n])), 0);
        B::float_reshape(sums, Shape::new([n]))
    }

    /// The draws `e_f`, `[draws, rank]`.
    fn shared_draws(&self) -> FloatTensor<B> {
        let shape = Shape::new([self.launch.draws(), self.launch.rank]);
        let out = B::float_empty(shape, &self.moments.device(), FloatDType::F32);
        B::fill(out, Distribution::Normal, self.launch.shared())
    }

    /// The standard deviations, `[stds, 1]`.
    fn stds(&self) -> FloatTensor<B> {
        B::float_slice(self.moments.clone(), &[(0..self.launch.stds()).into(), (1..2).into()])
    }

    /// `gradient` of the factor, `[elements, rank]`: `Σᵣ g[r] ⊗ q[r] e_f[r]`.
    fn factor_gradient(&self, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let (rows, elements) = (self.launch.rows.rows, self.launch.elements);
        let draws = match self.launch.form.factor_by_std {
            true => B::float_mul(self.shared_draws(), self.stds()),
            false => self.shared_draws(),
        };
        let mut gradient = B::float_reshape(gradient, Shape::new([rows, elements]));
        if draws.shape()[0] < rows {
            gradient = B::float_sum_dim(gradient, 0);
        }
        if draws.shape()[0] == 1 {
            return B::outer(gradient, draws, self.launch);
        }
        B::float_matmul(B::float_swap_dims(gradient, 0, 1), draws)
    }

    /// The gradient of the standard deviations by `q`, `[stds, 1]`: `Σᵢ g[r, i] (F e_f[r])[i]`.
    fn color_slope(&self, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let (rows, elements) = (self.launch.rows.rows, self.launch.elements);
        let gradient = B::float_reshape(gradient, Shape::new([rows, elements]));
        let along =
            B::float_mul(B::float_matmul(gradient, self.factor.clone()), self.shared_draws());
        let slopes = B::float_sum_dim(along, 1);
        if self.launch.rows.std_per_row { slopes } else { B::float_sum_dim(slopes, 0) }
    }
}

#[derive(Debug)]
struct AddNoise;

impl<B: NoiseOperations> Backward<B, 3> for AddNoise {
    type State = Kept<B>;

    fn backward(self, ops: Ops<Kept<B>, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, parameter, factor] = ops.parents;
        let gradient = grads.consume::<B>(&ops.node);
        let kept = ops.state;
        if let Some(node) = factor
            && kept.launch.rank > 0
        {
            grads.register::<B>(node.id, kept.factor_gradient(gradient.clone()));
        }
        let through = x.as_ref().and(kept.x.clone());
        let mut by_std = None;
        if parameter.is_some() || through.is_some() {
            let (moments, amplitude) = (kept.moments.clone(), kept.parameter.clone());
            let (slopes, slope) = B::slopes(gradient.clone(), moments, amplitude, kept.launch);
            if let Some(node) = parameter {
                grads.register::<B>(node.id, kept.shared_amplitudes(slopes));
            }
            by_std = Some(slope);
        }
        if let Some(node) = x {
            let whole = match (through, by_std) {
                (Some(x), Some(mut slope)) => {
                    if kept.launch.form.factor_by_std && kept.launch.rank > 0 {
                        slope = B::float_add(slope, kept.color_slope(gradient.clone()));
                    }
                    B::through_std(gradient, x, kept.moments, slope, kept.launch)
                }
                _ => gradient,
            };
            grads.register::<B>(node.id, whole);
        }
    }
}

impl<B: NoiseOperations, C: CheckpointStrategy> NoiseOperations for Autodiff<B, C> {
    fn add_noise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        parameter: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), parameter.node(), factor.node()];
        let [x, moments, parameter, factor] =
            [x, moments, parameter, factor].map(|tensor| tensor.into_primitive());
        let add = |x, kept: &Kept<B>| {
            let (moments, parameter) = (kept.moments.clone(), kept.parameter.clone());
            B::add_noise(x, moments, parameter, kept.factor.clone(), launch)
        };
        let mut kept = Kept { x: None, moments, parameter, factor, launch };
        match AddNoise.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                kept.x = launch.through_std.then(|| x.clone());
                let out = add(x, &kept);
                prepared.finish(kept, out)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(add(x, &kept)),
        }
    }

    // Below, draws are constants, and the others are steps of the operation above.

    fn fill(
        out: FloatTensor<Self>,
        distribution: Distribution,
        stream: Stream,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::fill(out.into_primitive(), distribution, stream))
    }

    fn moments(x: FloatTensor<Self>, launch: NoiseLaunch) -> FloatTensor<Self> {
        Self::from_inner(B::moments(x.into_primitive(), launch))
    }

    fn slopes(
        gradient: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        parameter: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [gradient, moments, parameter] =
            [gradient, moments, parameter].map(|tensor| tensor.into_primitive());
        let (slopes, slope) = B::slopes(gradient, moments, parameter, launch);
        (Self::from_inner(slopes), Self::from_inner(slope))
    }

    fn through_std(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        launch: NoiseLaunch,
    ) -> FloatTensor<Self> {
        let [gradient, x, moments, slope] =
            [gradient, x, moments, slope].map(|tensor| tensor.into_primitive());
        Self::from_inner(B::through_std(gradient, x, moments, slope, launch))
    }
}
