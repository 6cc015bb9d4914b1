use crate::precision::cast;
use burn::nn::Linear;
use burn::tensor::{Tensor, module};

/// `layer.forward(x)`, `[.., d_input]` to `[.., d_output]`, in the [precision](crate::autocast) in
/// force.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(out) = crate::chain::linear(layer, &x) {
        return out;
    }
    let weight = || layer.weight.val();
    let multiply = |x: Tensor<D>, weight: Tensor<2>| match D {
        2 => x.matmul(weight.unsqueeze()),
        _ => module::linear(x, weight, None),
    };
    match cast(&x, weight, multiply) {
        Some(out) => match &layer.bias {
            Some(bias) => out + bias.val().unsqueeze(),
            None => out,
        },
        None => layer.forward(x),
    }
}
