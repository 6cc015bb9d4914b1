use crate::precision::cast;
#[cfg(feature = "flex")]
use crate::precision::{Precision, current_precision};
use burn::nn::Linear;
use burn::tensor::{Tensor, module};

/// `layer.forward(x)`, `[.., d_input]` to `[.., d_output]`, in the [precision](crate::autocast) in
/// force.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if D > 1 && current_precision() == Precision::Bf16 {
        let mut dims = x.dims();
        let flat = match D {
            2 => x.clone().reshape([dims[0], dims[1]]),
            _ => x.clone().flatten::<2>(0, D - 2),
        };
        if let Some(out) = crate::chain::linear(layer, &flat) {
            dims[D - 1] = out.dims()[1];
            return out.reshape(dims);
        }
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
