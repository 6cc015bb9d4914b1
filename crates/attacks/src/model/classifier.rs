//! What is attacked.

use burn::module::Module;
use burn::tensor::Tensor;

/// Anything that maps images `[batch, channels, height, width]`, pixels in [0, 1], to logits
/// `[batch, classes]`.
///
/// Every function and closure of that signature is one. Attacks by gradients want it
/// differentiable, and each row of logits a function of its own image alone. A Burn model becomes
/// one through [`FrozenModel`].
pub trait Classifier {
    /// The logits of `images`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;
}

impl<F: Fn(Tensor<4>) -> Tensor<2>> Classifier for F {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self(images)
    }
}

/// A Burn model made ready to be attacked. The one place where that is done.
///
/// It holds [`model.valid()`](Module::valid): a snapshot whose parameters carry no gradients, which
/// saves their share of the backward pass, and whose batch norm uses its running statistics and
/// leaves them alone. A mere clone would share them with the model, and every step of an attack
/// would move them.
///
/// Noise stays on. It obeys the scope of `cni-noise` and nothing else, so that the attack faces
/// what is deployed.
#[derive(Clone, Debug)]
pub struct FrozenModel<M, F> {
    model: M,
    forward: F,
}

impl<M: Module, F: Fn(&M, Tensor<4>) -> Tensor<2>> FrozenModel<M, F> {
    /// Takes a snapshot of `model`, to be called by `forward`; later changes of `model` do not
    /// reach it.
    pub fn new(model: &M, forward: F) -> Self {
        Self { model: model.valid(), forward }
    }
}

impl<M: Module, F: Fn(&M, Tensor<4>) -> Tensor<2>> Classifier for FrozenModel<M, F> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        (self.forward)(&self.model, images)
    }
}
