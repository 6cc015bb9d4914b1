//! Classifiers, and Burn models as classifiers.

use burn::module::Module;
use burn::tensor::Tensor;

/// A classifier: anything that maps images `[batch, channels, height, width]`, with pixels in [0,
/// 1], to logits `[batch, classes]`.
///
/// Every function and closure of that signature is a classifier. Gradient attacks need it to be
/// differentiable, and each row of logits to depend only on its own image. [`FrozenModel`] makes a
/// classifier of a Burn model.
pub trait Classifier {
    /// The logits of `images`, `[batch, classes]`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;
}

impl<F: Fn(Tensor<4>) -> Tensor<2>> Classifier for F {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self(images)
    }
}

/// A frozen snapshot of a Burn model, ready to be attacked.
///
/// It holds [`model.valid()`](Module::valid): a snapshot whose parameters carry no gradients, which
/// saves their share of the backward pass, and whose batch norm uses its running statistics without
/// updating them. A plain clone would share the statistics with the model, and every step of an
/// attack would change them.
///
/// Noise stays on: only the scope of `cni-noise` controls it, so that the attack faces the model as
/// deployed.
#[derive(Clone, Debug)]
pub struct FrozenModel<M, F> {
    model: M,
    forward: F,
}

impl<M: Module, F: Fn(&M, Tensor<4>) -> Tensor<2>> FrozenModel<M, F> {
    /// Takes a snapshot of `model`, which `forward` calls. Later changes of `model` do not affect
    /// it.
    pub fn new(model: &M, forward: F) -> Self {
        Self { model: model.valid(), forward }
    }
}

impl<M: Module, F: Fn(&M, Tensor<4>) -> Tensor<2>> Classifier for FrozenModel<M, F> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        (self.forward)(&self.model, images)
    }
}
