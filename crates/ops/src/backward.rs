//! The state that operations keep for their gradients, and the gradients.

use crate::flex::{self, Geometry};
use crate::gradients::Parent;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::flex::FlexTensor;

/// The gradient of an operation's output as its parts see it: before the rectifier, if there was
/// one.
///
/// The residual has the same gradient, which is registered here.
fn before_rectifier(
    gradient: FlexTensor,
    output: Option<FlexTensor>,
    residual: Option<Parent>,
    grads: &mut Gradients,
) -> FlexTensor {
    let gradient = match output {
        Some(output) => flex::gated(gradient, output),
        None => gradient,
    };
    if let Some(residual) = residual {
        residual.register(gradient.clone(), grads);
    }
    gradient
}

/// State of a convolution for its gradients: only what its tracked inputs will need.
#[derive(Clone, Debug)]
pub struct Conv {
    pub x: Option<FlexTensor>,
    pub weight: Option<FlexTensor>,
    pub output: Option<FlexTensor>,
    pub geometry: Geometry,
}

impl Conv {
    pub fn backward(
        self,
        [x, weight, shift, residual]: [Option<Parent>; 4],
        mut gradient: FlexTensor,
        grads: &mut Gradients,
    ) {
        let mut gate = self.output;
        if weight.is_some() || shift.is_some() || residual.is_some() {
            gradient = before_rectifier(gradient, gate.take(), residual, grads);
        }
        if let Some(shift) = shift {
            shift.register(flex::channel_sums(gradient.clone()), grads);
        }
        if let (Some(weight), Some(x)) = (weight, self.x) {
            let to_weight = flex::conv2d_weight_gradient(x, gradient.clone(), self.geometry);
            weight.register(to_weight, grads);
        }
        if let (Some(x), Some(weight)) = (x, self.weight) {
            // The sum with the gradient of another branch takes no pass of its own.
            let earlier = x.take(grads);
            let to_x = flex::conv2d_input_gradient(gradient, gate, weight, earlier, self.geometry);
            x.register(to_x, grads);
        }
    }
}

/// State of a batch norm for its gradients.
#[derive(Clone, Debug)]
pub struct Norm {
    pub x: FlexTensor,
    /// Gamma, mean and variance.
    pub channels: [FlexTensor; 3],
    pub output: Option<FlexTensor>,
    pub epsilon: f64,
}

impl Norm {
    pub fn backward(
        self,
        [x, gamma, beta, residual]: [Option<Parent>; 4],
        gradient: FlexTensor,
        grads: &mut Gradients,
    ) {
        let gradient = before_rectifier(gradient, self.output, residual, grads);
        let (to_x, vectors) =
            flex::norm_gradients(self.x, self.channels, self.epsilon, gradient, x.is_some());
        for (node, gradient) in
            [x, gamma, beta].into_iter().zip([to_x].into_iter().chain(vectors.map(Some)))
        {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                node.register(gradient, grads);
            }
        }
    }
}

/// State of an affine map for its gradients.
#[derive(Clone, Debug)]
pub struct Affine {
    pub x: Option<FlexTensor>,
    pub scale: Option<FlexTensor>,
    pub output: Option<FlexTensor>,
}

impl Affine {
    pub fn backward(
        self,
        [x, scale, shift, residual]: [Option<Parent>; 4],
        gradient: FlexTensor,
        grads: &mut Gradients,
    ) {
        let gradient = before_rectifier(gradient, self.output, residual, grads);
        if let Some(shift) = shift {
            shift.register(flex::channel_sums(gradient.clone()), grads);
        }
        if let (Some(scale), Some(x)) = (scale, self.x) {
            scale.register(flex::channel_products(gradient.clone(), x), grads);
        }
        if let (Some(x), Some(scale)) = (x, self.scale) {
            x.register(flex::scaled(gradient, scale), grads);
        }
    }
}

/// State of a normalization for its gradient: the standard deviations.
#[derive(Clone, Debug)]
pub struct Normalize {
    pub std: FlexTensor,
}

impl Normalize {
    pub fn backward(self, [x]: [Option<Parent>; 1], gradient: FlexTensor, grads: &mut Gradients) {
        if let Some(x) = x {
            x.register(flex::normalize_gradient(gradient, self.std), grads);
        }
    }
}

/// State of a mean over positions for its gradient: the shape of the input.
#[derive(Clone, Debug)]
pub struct Mean {
    pub dims: [usize; 4],
}

impl Mean {
    pub fn backward(self, [x]: [Option<Parent>; 1], gradient: FlexTensor, grads: &mut Gradients) {
        if let Some(x) = x {
            x.register(flex::spatial_mean_gradient(gradient, self.dims), grads);
        }
    }
}
