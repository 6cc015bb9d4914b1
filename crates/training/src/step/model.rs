use crate::parameters::{Groups, MIXING, ParameterValues, layer_in_training};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor};
use cni_attacks::{Classifier, FrozenModel};
use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;

/// The model of a step behind a trait object, since rules are the same for models of every type.
pub(crate) trait StepModel {
    /// The logits of images.
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;

    /// The model as at inference.
    fn frozen<'a>(&self) -> Box<dyn Classifier + 'a>
    where
        Self: 'a;

    /// The gradients of the model's parameters.
    fn gradients(&self, gradients: Gradients) -> GradientsParams;

    /// The same as flat tensors.
    fn collect(&self, gradients: &mut GradientsParams, groups: &Groups) -> ParameterValues;

    /// The weights of the trainable parameters.
    fn weights(&self, groups: &Groups) -> ParameterValues;

    /// The model with other weights.
    fn with_weights<'a>(&self, weights: ParameterValues) -> Rc<dyn StepModel + 'a>
    where
        Self: 'a;

    /// The layer that mixes the examples of a batch, if there is one.
    fn mixing_layer(&self) -> Option<String>;

    /// A copy of the model with running statistics of its own.
    fn apart<'a>(&self) -> Rc<dyn StepModel + 'a>
    where
        Self: 'a;

    /// The model itself.
    fn as_any(&self) -> &dyn Any;
}

/// A model and its forward function.
pub(crate) struct Typed<'m, N: Clone, F> {
    model: Cow<'m, N>,
    forward: F,
}

impl<'m, N: Clone, F> Typed<'m, N, F> {
    pub fn borrowed(model: &'m N, forward: F) -> Self {
        Self { model: Cow::Borrowed(model), forward }
    }
}

impl<N, F> StepModel for Typed<'_, N, F>
where
    N: Module + 'static,
    F: Fn(&N, Tensor<4>) -> Tensor<2> + Clone,
{
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        (self.forward)(&self.model, images)
    }

    fn frozen<'a>(&self) -> Box<dyn Classifier + 'a>
    where
        Self: 'a,
    {
        Box::new(FrozenModel::new(self.model.as_ref(), self.forward.clone()))
    }

    fn gradients(&self, gradients: Gradients) -> GradientsParams {
        GradientsParams::from_grads(gradients, self.model.as_ref())
    }

    fn collect(&self, gradients: &mut GradientsParams, groups: &Groups) -> ParameterValues {
        ParameterValues::of_gradients(self.model.as_ref(), gradients, groups)
    }

    fn weights(&self, groups: &Groups) -> ParameterValues {
        ParameterValues::of_weights(self.model.as_ref(), groups)
    }

    fn with_weights<'a>(&self, weights: ParameterValues) -> Rc<dyn StepModel + 'a>
    where
        Self: 'a,
    {
        let model = Cow::Owned(weights.into_weights(self.model.as_ref().clone()));
        Rc::new(Self { model, forward: self.forward.clone() })
    }

    fn mixing_layer(&self) -> Option<String> {
        layer_in_training(self.model.as_ref(), &MIXING)
    }

    fn apart<'a>(&self) -> Rc<dyn StepModel + 'a>
    where
        Self: 'a,
    {
        // Burn's copies share their statistics, unless they go through inference and back.
        let model = Cow::Owned(self.model.valid().train());
        Rc::new(Self { model, forward: self.forward.clone() })
    }

    fn as_any(&self) -> &dyn Any {
        self.model.as_ref()
    }
}
