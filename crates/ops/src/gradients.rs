//! Gradients that reach one tensor from several operations, such as both branches of a residual
//! block.
//!
//! [`Gradients::register`] adds a second gradient to the first by Burn's sum, which runs on one
//! thread. A [`Parent`] takes the first one out instead, and adds on all threads, or lets a kernel
//! add while it writes. The container cannot be asked what it holds, so each thread remembers which
//! tensors have got a gradient last. That is enough: a tensor with parents of its own belongs to
//! one backward pass, which holds its gradient until all its uses have been visited. A tensor that
//! was forgotten, or whose first gradient came from another operation, gets Burn's sum.

use crate::flex;
use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::flex::FlexTensor;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Tensors that are remembered, at most: more than wait for a second gradient at once in all but
/// densely connected networks.
const REMEMBERED: usize = 64;

thread_local! {
    static REGISTERED: RefCell<VecDeque<NodeId>> = const { RefCell::new(VecDeque::new()) };
}

#[cfg(test)]
thread_local! {
    /// The number of gradients taken out on this thread.
    static TAKEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// An input of an operation that needs a gradient.
pub struct Parent {
    id: NodeId,
    /// True for the result of an operation, false for a tensor that the graph begins with.
    is_result: bool,
    consume: Box<dyn Fn(&mut Gradients) -> FlexTensor>,
}

impl Parent {
    /// The input with this node, `order` operations from the start of the graph; `consume` takes
    /// out its gradient.
    pub fn new(
        id: NodeId,
        order: usize,
        consume: impl Fn(&mut Gradients) -> FlexTensor + 'static,
    ) -> Self {
        Self { id, is_result: order > 0, consume: Box::new(consume) }
    }

    /// Takes out the gradient that an operation of this crate has registered; `None` if there is
    /// none that is known of.
    pub fn take(&self, grads: &mut Gradients) -> Option<FlexTensor> {
        let known = REGISTERED.with_borrow_mut(|registered| {
            let at = registered.iter().position(|id| *id == self.id)?;
            registered.remove(at)
        });
        #[cfg(test)]
        TAKEN.set(TAKEN.get() + usize::from(known.is_some()));
        known.map(|_| (self.consume)(grads))
    }

    /// Registers a gradient, added to what is registered already.
    pub fn register(&self, gradient: FlexTensor, grads: &mut Gradients) {
        let gradient = match self.take(grads) {
            Some(earlier) => flex::sum(gradient, earlier),
            None => gradient,
        };
        grads.register::<Flex>(self.id, gradient);
        // The gradient of a tensor that the graph begins with outlives the backward pass, and may
        // belong to another one's.
        if self.is_result {
            REGISTERED.with_borrow_mut(|registered| {
                if registered.len() == REMEMBERED {
                    registered.pop_front();
                }
                registered.push_back(self.id);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epilogue, batch_norm, conv2d, conv2d_batch_norm};
    use burn::module::{Module, Param};
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
    use burn::tensor::{Device, Distribution, Tensor};

    type Branch<'a> = &'a dyn Fn(&Tensor<4>) -> Tensor<4>;

    fn random(shape: [usize; 4]) -> Tensor<4> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex())
    }

    fn layer(channels: usize, kernel: usize, stride: usize) -> Conv2d {
        let pad = kernel / 2;
        Conv2dConfig::new([channels, channels], [kernel; 2])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_stride([stride; 2])
            .init(&Device::flex().autodiff())
    }

    fn norm(channels: usize) -> BatchNorm {
        let device = Device::flex().autodiff();
        let gamma = Tensor::random([channels], Distribution::Uniform(0.5, 1.5), &device);
        let norm = BatchNormConfig::new(channels).init(&device);
        BatchNorm { gamma: Param::from_tensor(gamma), ..norm }
    }

    /// The gradient of the sum of the branches of `x`, and the number of gradients that were added
    /// here and not by Burn.
    fn gradient(x: &Tensor<4>, branches: &[Branch]) -> (Tensor<4>, usize) {
        let leaf = x.clone().autodiff().require_grad();
        // Not the leaf itself, whose gradients are left to Burn.
        let x = leaf.clone().reshape(leaf.dims());
        let sums = branches.iter().map(|branch| {
            let out = branch(&x);
            // Slopes without a pattern that do not depend on the other branches.
            let slopes = out.clone().inner().mul_scalar(12345.67).sin();
            (out * slopes).sum()
        });
        let before = TAKEN.get();
        let sum = sums.reduce(|a, b| a + b).unwrap();
        let gradient = leaf.grad(&sum.backward()).unwrap();
        (gradient, TAKEN.get() - before)
    }

    #[test]
    fn two_gradients_are_added_here_to_the_bits_of_burns_sum() {
        let (convs, norms) = ([layer(16, 3, 1), layer(16, 3, 2)], [norm(16), norm(16).valid()]);
        let point = layer(16, 1, 2);
        // Winograd's kernel, the direct one, and its phases; batch norms of both kinds.
        let branches: [Branch; 6] = [
            &|x| conv2d(&convs[0], x.clone()),
            &|x| conv2d(&convs[1], x.clone()),
            &|x| conv2d(&point, x.clone()),
            &|x| conv2d_batch_norm(&convs[0], &norms[1], x.clone(), Epilogue::relu()),
            &|x| batch_norm(&norms[0], x.clone(), Epilogue::relu()),
            &|x| batch_norm(&norms[1], x.clone(), Epilogue::default()),
        ];
        let x = random([5, 16, 8, 8]);
        for (i, first) in branches.iter().enumerate() {
            for second in &branches[i..] {
                let (ours, taken) = gradient(&x, &[*first, *second]);
                let apart = [first, second].map(|branch| gradient(&x, &[*branch]));
                let [(first, 0), (second, 0)] = apart else { panic!("a branch has one gradient") };
                assert_eq!((ours.into_data(), taken), ((first + second).into_data(), 1), "{i}");
            }
        }
    }

    #[test]
    fn a_residual_and_a_branch_of_burn_are_added_too() {
        let (conv, norm) = (layer(16, 3, 1), norm(16).valid());
        let block: Branch = &|x| {
            let inner = conv2d(&conv, x.clone());
            conv2d_batch_norm(&conv, &norm, inner, Epilogue::add_relu(x.clone()))
        };
        let x = random([3, 16, 16, 16]);
        assert_eq!(gradient(&x, &[block]).1, 1);
        // The residual's gradient arrives before that of the branch, Burn's at any time.
        let burns: Branch = &|x| x.clone().mul_scalar(0.3);
        let together = gradient(&x, &[block, burns]).0;
        let apart = gradient(&x, &[block]).0 + gradient(&x, &[burns]).0;
        let largest = (together - apart).abs().max().into_scalar::<f32>();
        assert!(largest < 1e-5, "{largest}");
    }

    /// A tensor that the graph begins with may get gradients of several backward passes.
    #[test]
    fn gradients_of_two_backward_passes_stay_apart() {
        let conv = layer(16, 3, 1);
        let leaf = random([2, 16, 8, 8]).autodiff().require_grad();
        let losses = [1.0, 2.0].map(|by| conv2d(&conv, leaf.clone()).mul_scalar(by).sum());
        let [one, two] = losses.map(|loss| leaf.grad(&loss.backward()).unwrap());
        assert_eq!((one * 2.0).into_data(), two.into_data());
    }

    #[test]
    fn a_tensor_of_many_uses_gets_all_of_their_gradients() {
        let conv = layer(1, 1, 1);
        let x = random([2, 1, 4, 4]);
        let branch: Branch = &|x| conv2d(&conv, x.clone());
        let (one, (many, taken)) = (gradient(&x, &[branch]).0, gradient(&x, &[branch; 100]));
        assert_eq!(taken, 99);
        let apart = (one * 100.0 - many).abs().max().into_scalar::<f32>();
        assert!(apart < 1e-3, "{apart}");
    }

    #[test]
    fn a_forgotten_tensor_gets_burns_sum() {
        let (conv, norm) = (layer(1, 1, 1), norm(1).valid());
        let (x, slopes) = (random([2, 1, 4, 4]), random([2, 1, 4, 4]));
        // Of a residual block too deep to remember its input, through one side or both.
        let gradient = |deep: bool, residual: bool| {
            let leaf = x.clone().autodiff().require_grad();
            let start = leaf.clone().reshape(leaf.dims());
            let side = |on: bool| if on { start.clone() } else { start.clone().detach() };
            let inner = (0..REMEMBERED).fold(side(deep), |x, _| conv2d(&conv, x).tanh());
            let after = Epilogue { residual: Some(side(residual)), relu: false };
            let out = conv2d_batch_norm(&conv, &norm, inner, after);
            let before = TAKEN.get();
            let gradients = (out * slopes.clone()).sum().backward();
            assert_eq!(TAKEN.get(), before);
            leaf.grad(&gradients).unwrap()
        };
        let apart = gradient(true, false) + gradient(false, true);
        assert_eq!(gradient(true, true).into_data(), apart.into_data());
    }
}
