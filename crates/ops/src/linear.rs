use crate::precision::cast;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// `layer.forward(x)`, `[batch, d_input]` to `[batch, d_output]`, in the
/// [precision](crate::autocast) in force.
pub fn linear(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let weight = || layer.weight.val();
    match cast(&x, weight, |x, weight| x.matmul(weight)) {
        Some(out) => match &layer.bias {
            Some(bias) => out + bias.val().unsqueeze(),
            None => out,
        },
        None => layer.forward(x),
    }
}
