use crate::batch_norm::{Epilogue, batch_norm, check};
use crate::precision::{Precision, cast, current_precision};
use crate::shape::padding_pairs;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, module};

/// `layer.forward(x)`: `[batch, channels_in, height, width]` to
/// `[batch, channels_out, height_out, width_out]`.
///
/// # Panics
///
/// As Burn's layer, if the channels do not fit.
pub fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    if current_precision() != Precision::Full {
        #[cfg(feature = "flex")]
        if let Some(out) = crate::chain::single(layer, &x) {
            return out;
        }
        let [_, _, height, width] = x.dims();
        let options = options(layer, [height, width]);
        let multiply = |x, weight| module::conv2d(x, weight, None, options);
        if let Some(out) = cast(&x, || layer.weight.val(), multiply) {
            return match &layer.bias {
                Some(bias) => out + bias.val().reshape([1, -1, 1, 1]),
                None => out,
            };
        }
    }
    #[cfg(feature = "flex")]
    if let Some(geometry) = fast::geometry(layer, &x) {
        let weight = layer.weight.val();
        let shift = match &layer.bias {
            Some(bias) => bias.val(),
            None => fast::zeros(&weight),
        };
        return fast::conv2d(x, weight, shift, Epilogue::default(), geometry);
    }
    layer.forward(x)
}

/// A convolution, its batch norm, and what follows: `batch_norm(layer, conv2d(conv, x), epilogue)`.
///
/// If the norm uses its running statistics they go into the convolution's weight and bias, and the
/// whole is one operation.
///
/// # Panics
///
/// As [`conv2d`] and [`batch_norm`]: if the channels of the input, the convolution and the norm do
/// not follow one another, or the residual has another shape than the output.
pub fn conv2d_batch_norm(
    conv: &Conv2d,
    layer: &BatchNorm,
    x: Tensor<4>,
    epilogue: Epilogue,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if current_precision() == Precision::Full
        && !crate::batch_norm::trains(layer, &x)
        && crate::batch_norm::fast::applies(&epilogue.residual)
        && let Some(geometry) = fast::geometry(conv, &x)
    {
        check(layer, geometry.output_dims(), &epilogue);
        let [scale, mut shift] = crate::batch_norm::running_affine(layer);
        if let Some(bias) = &conv.bias {
            shift = shift + bias.val() * scale.clone();
        }
        let weight = conv.weight.val() * scale.reshape([-1, 1, 1, 1]);
        return fast::conv2d(x, weight, shift, epilogue, geometry);
    }
    batch_norm(layer, conv2d(conv, x), epilogue)
}

/// A layer's options for an input of a height and a width, its padding in numbers.
pub(crate) fn options(layer: &Conv2d, size: [usize; 2]) -> ConvOptions<2> {
    let [_, _, rows, columns] = layer.weight.lazy_shape().dims();
    let padding = padding_pairs(&layer.padding, size, [rows, columns], layer.stride);
    ConvOptions::new_with_padding(layer.stride, padding, layer.dilation, layer.groups)
}

#[cfg(feature = "flex")]
mod fast {
    use super::Epilogue;
    use crate::batch_norm::fast::applies;
    use crate::extension::FastOps;
    use crate::flex::Geometry;
    use crate::shape::conv2d_output_size;
    use burn::backend::Dispatch;
    use burn::nn::conv::Conv2d;
    use burn::tensor::{DType, Tensor};

    /// The shape of a convolution that our kernels take.
    pub fn geometry(layer: &Conv2d, x: &Tensor<4>) -> Option<Geometry> {
        let [batch, channels, height, width] = x.dims();
        let [outputs, kernel_channels, rows, columns] = layer.weight.lazy_shape().dims();
        let options = super::options(layer, [height, width]);
        let single = layer.weight.dtype() == DType::F32;
        if !applies([x]) || !single || options.groups != 1 || channels != kernel_channels {
            return None;
        }
        let (input, kernel) = ([height, width], [rows, columns]);
        let (stride, dilation) = (options.stride, options.dilation);
        let output = conv2d_output_size(input, kernel, stride, dilation, options.padding)?;
        Some(Geometry {
            batch,
            channels: [channels, outputs],
            input,
            output,
            kernel,
            stride,
            padding: options.padding_begin(),
            dilation,
        })
    }

    pub fn zeros(weight: &Tensor<4>) -> Tensor<1> {
        Tensor::zeros([weight.dims()[0]], (&weight.device().inner(), weight.dtype()))
    }

    pub fn conv2d(
        x: Tensor<4>,
        weight: Tensor<4>,
        shift: Tensor<1>,
        epilogue: Epilogue,
        geometry: Geometry,
    ) -> Tensor<4> {
        let (x, weight, shift) = (x.into_dispatch(), weight.into_dispatch(), shift.into_dispatch());
        Tensor::from_dispatch(match epilogue.residual {
            None => Dispatch::fast_conv2d(x, weight, shift, epilogue.relu, geometry),
            Some(residual) => {
                let residual = residual.into_dispatch();
                Dispatch::fast_conv2d_add(x, weight, shift, residual, epilogue.relu, geometry)
            }
        })
    }
}
