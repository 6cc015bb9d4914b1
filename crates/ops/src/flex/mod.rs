//! The operations on Flex's tensors: single precision, memory in row-major order.

mod correlate;
mod epilogue;
mod extremes;
mod geometry;
mod image_layout;
mod lanes;
mod mean;
pub(crate) mod memory;
mod norm;
mod norm_factors;
mod packed;
mod pool;
mod relu;
mod sign_step;
mod source;
mod sum;
mod tensor;
#[cfg(test)]
mod tests;
mod weight_gradient;
mod winograd;

pub use geometry::Geometry;
pub(crate) use norm_factors::{affine_of_norm, gradient_factors, inverse_std};
pub(crate) use pool::Block;
pub use pool::release_memory;
pub(crate) use tensor::{Values, tensor, vector};

use crate::arch::vector_len;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, Shape};
use correlate::{Correlation, correlate};
use epilogue::FusedEpilogue;
use norm::Extent;
use sign_step::{Momentum, SignStep};
use source::Source;
use weight_gradient::weight_gradient;
use winograd::{Filters, Tiles, winograd};

/// `max(0, x * w + shift + residual)`; the residual and the rectifier where wanted.
pub fn conv2d(
    x: FlexTensor,
    weight: FlexTensor,
    shift: FlexTensor,
    residual: Option<FlexTensor>,
    relu: bool,
    geometry: Geometry,
) -> FlexTensor {
    let [x, weight, shift] = [x, weight, shift].map(Values::new);
    let residual = residual.map(Values::new);
    let [channels, outputs] = geometry.channels;
    let [rows, columns] = geometry.output;
    let taps = geometry.kernel_len();
    let values = weight.slice();
    let element = |output, channel, tap| values[(output * channels + channel) * taps + tap];
    let source = Source { values: x.slice(), gate: None, len: geometry.input_len() };
    let epilogue = FusedEpilogue {
        shift: Some(shift.slice()),
        residual: residual.as_ref().map(Values::slice),
        relu,
    };
    let out = match Tiles::of(geometry, vector_len()) {
        Some(tiles) => {
            let filters = Filters::new(outputs, channels, element);
            winograd(source, &filters, tiles, epilogue, geometry.batch)
        }
        None => {
            let (layout, channels) = (geometry.forward(), geometry.channels);
            let correlation = Correlation::new(layout, &[taps], [1, 1], channels, element);
            correlate(source, &correlation, epilogue, geometry.batch, geometry.output)
        }
    };
    tensor(out, [geometry.batch, outputs, rows, columns])
}

/// The gradient of a convolution's input, added to an `earlier` one if there is one. With a `gate`
/// the gradient counts only where the gate is above zero.
pub fn conv2d_input_gradient(
    gradient: FlexTensor,
    gate: Option<FlexTensor>,
    weight: FlexTensor,
    earlier: Option<FlexTensor>,
    geometry: Geometry,
) -> FlexTensor {
    let [gradient, weight] = [gradient, weight].map(Values::new);
    let [gate, earlier] = [gate, earlier].map(|tensor| tensor.map(Values::new));
    let [channels, outputs] = geometry.channels;
    let taps = geometry.kernel_len();
    let values = weight.slice();
    let element = |channel, output, tap| values[(output * channels + channel) * taps + tap];
    let source = Source {
        values: gradient.slice(),
        gate: gate.as_ref().map(Values::slice),
        len: geometry.output_len(),
    };
    let residual = earlier.as_ref().map(Values::slice);
    let epilogue = FusedEpilogue { residual, ..FusedEpilogue::default() };
    let out = match Tiles::of(geometry, vector_len()) {
        Some(tiles) => {
            // What reached an output from one side reaches the input's gradient from the other.
            let turned = |channel, output, tap| element(channel, output, taps - 1 - tap);
            let filters = Filters::new(channels, outputs, turned);
            winograd(source, &filters, tiles, epilogue, geometry.batch)
        }
        None => {
            let (layout, counts) = geometry.backward();
            let channels = [outputs, channels];
            let correlation = Correlation::new(layout, &counts, geometry.stride, channels, element);
            correlate(source, &correlation, epilogue, geometry.batch, geometry.input)
        }
    };
    tensor(out, [geometry.batch, channels, geometry.input[0], geometry.input[1]])
}

/// The gradient of a convolution's weight.
pub fn conv2d_weight_gradient(
    x: FlexTensor,
    gradient: FlexTensor,
    geometry: Geometry,
) -> FlexTensor {
    let [x, gradient] = [x, gradient].map(Values::new);
    let values = weight_gradient(x.slice(), gradient.slice(), geometry);
    let ([channels, outputs], [rows, columns]) = (geometry.channels, geometry.kernel);
    vector(values, [outputs, channels, rows, columns])
}

/// A gradient as it was before a rectifier with the given output.
pub fn gated(gradient: FlexTensor, output: FlexTensor) -> FlexTensor {
    let (mut gradient, output) = (Values::new(gradient).into_tensor(), Values::new(output));
    relu::relu_backward_in_place(gradient.storage_mut(), output.slice());
    gradient
}

/// The sum of two gradients, in the memory of one of them if nobody else reads it.
pub fn sum(gradient: FlexTensor, earlier: FlexTensor) -> FlexTensor {
    let (a, b) = (Values::new(gradient).into_tensor(), Values::new(earlier).into_tensor());
    let (mut into, from) = if a.is_unique() { (a, b) } else { (b, a) };
    let from = Values::new(from);
    sum::add_in_place(into.storage_mut(), from.slice());
    into
}

fn extent(shape: &Shape) -> Extent {
    let (batch, channels) = (shape[0], shape[1]);
    Extent { batch, channels, positions: shape.num_elements() / (batch * channels).max(1) }
}

/// The sum of a gradient over all but the channels.
pub fn channel_sums(gradient: FlexTensor) -> FlexTensor {
    let extent = extent(&gradient.shape());
    let (sums, _) = norm::gradient_sums(Values::new(gradient).slice(), None, extent);
    vector(sums, [extent.channels])
}

/// `max(0, x * scale + shift + residual)`, the residual and the rectifier where wanted.
pub fn affine(
    x: FlexTensor,
    vectors: [FlexTensor; 2],
    residual: Option<FlexTensor>,
    relu: bool,
) -> FlexTensor {
    let shape = x.shape();
    let (x, [scale, shift]) = (Values::new(x), vectors.map(Values::new));
    let residual = residual.map(Values::new);
    let vectors = [scale.slice(), shift.slice()];
    let residual = residual.as_ref().map(Values::slice);
    tensor(norm::affine(x.slice(), extent(&shape), vectors, residual, relu), shape)
}

/// Batch norm by the batch's statistics, `max(0, norm(x) + residual)`, the residual and the
/// rectifier where wanted; and the mean and the biased variance of each channel.
pub fn norm(
    x: FlexTensor,
    [gamma, beta]: [FlexTensor; 2],
    residual: Option<FlexTensor>,
    epsilon: f64,
    relu: bool,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let shape = x.shape();
    let extent = extent(&shape);
    let [x, gamma, beta] = [x, gamma, beta].map(Values::new);
    let residual = residual.map(Values::new);
    let (mean, variance) = norm::moments(x.slice(), extent);
    let vectors = [gamma.slice(), beta.slice()];
    let [scale, shift] = affine_of_norm([&mean, &variance], vectors, epsilon);
    let vectors = [&scale[..], &shift];
    let residual = residual.as_ref().map(Values::slice);
    let out = norm::affine(x.slice(), extent, vectors, residual, relu);
    let [mean, variance] = [mean, variance].map(|values| vector(values, [extent.channels]));
    (tensor(out, shape), mean, variance)
}

/// `(x - mean) / std`, of one value a channel each.
pub fn normalize(x: FlexTensor, constants: [FlexTensor; 2]) -> FlexTensor {
    let shape = x.shape();
    let (x, [mean, std]) = (Values::new(x), constants.map(Values::new));
    tensor(norm::normalize(x.slice(), extent(&shape), [mean.slice(), std.slice()]), shape)
}

/// The gradient of [`normalize`].
pub fn normalize_gradient(gradient: FlexTensor, std: FlexTensor) -> FlexTensor {
    let (shape, gradient, std) = (gradient.shape(), Values::new(gradient), Values::new(std));
    let scale: Vec<f32> = std.slice().iter().map(|std| std.recip()).collect();
    // A sum with -0 changes nothing, not even the sign of a zero.
    let vectors = [&scale[..], &vec![-0.0; scale.len()]];
    tensor(norm::affine(gradient.slice(), extent(&shape), vectors, None, false), shape)
}

/// A gradient times a factor for each channel.
pub fn scaled(gradient: FlexTensor, scale: FlexTensor) -> FlexTensor {
    let shift = FlexTensor::zeros(scale.shape(), DType::F32);
    affine(gradient, [scale, shift], None, false)
}

/// The sum over all but the channels of a gradient times `x`.
pub fn channel_products(gradient: FlexTensor, x: FlexTensor) -> FlexTensor {
    let extent = extent(&gradient.shape());
    let zeros = vec![0.0; extent.channels];
    let [gradient, x] = [gradient, x].map(Values::new);
    let (_, products) = norm::gradient_sums(gradient.slice(), Some((x.slice(), &zeros)), extent);
    vector(products, [extent.channels])
}

/// The gradients of a batch norm that uses the batch's statistics: of `x`, where wanted, of gamma
/// and of beta.
pub fn norm_gradients(
    x: FlexTensor,
    [gamma, mean, variance]: [FlexTensor; 3],
    epsilon: f64,
    gradient: FlexTensor,
    to_input: bool,
) -> (Option<FlexTensor>, [FlexTensor; 2]) {
    let shape = x.shape();
    let extent = extent(&shape);
    let [x, gradient, gamma, mean, variance] =
        [x, gradient, gamma, mean, variance].map(Values::new);
    let (sums, products) =
        norm::gradient_sums(gradient.slice(), Some((x.slice(), mean.slice())), extent);
    let samples = (extent.batch * extent.positions) as f64;
    let inverse = inverse_std(variance.slice(), epsilon);
    let to_gamma = products.iter().zip(inverse).map(|(&p, r)| (f64::from(p) * r) as f32).collect();
    let to_input = to_input.then(|| {
        let channels = [gamma.slice(), variance.slice()];
        let [a, b, c] = gradient_factors(channels, epsilon, [&sums, &products], samples);
        let vectors = [&a[..], mean.slice(), &b, &c];
        tensor(norm::input_gradient(gradient.slice(), x.slice(), extent, vectors), shape)
    });
    (to_input, [to_gamma, sums].map(|values: Vec<f32>| vector(values, [extent.channels])))
}

/// The mean of each channel of each image, `[batch, channels]`.
pub fn spatial_mean(x: FlexTensor) -> FlexTensor {
    let [batch, channels, rows, columns] = x.shape().dims();
    let means = mean::column_means(Values::new(x).slice(), [rows, columns]);
    // Burn adds a row's values in an order of its own.
    let means = Flex::float_mean_dim(tensor(means, [batch, channels, 1, columns]), 3);
    Flex::float_reshape(means, Shape::new([batch, channels]))
}

/// The gradient of [`spatial_mean`] for an input of the given shape.
pub fn spatial_mean_gradient(
    gradient: FlexTensor,
    [batch, channels, rows, columns]: [usize; 4],
) -> FlexTensor {
    let values = mean::mean_gradient(Values::new(gradient).slice(), [rows, columns]);
    tensor(values, [batch, channels, rows, columns])
}

/// The least and the largest value of each row, both NaN for a row that is not finite.
pub fn row_extremes(values: FlexTensor) -> [FlexTensor; 2] {
    let shape = values.shape();
    let (least, largest) =
        extremes::row_extremes(Values::new(values).slice(), shape.num_elements() / shape[0]);
    [least, largest].map(|values| vector(values, [shape[0]]))
}

/// A step along the signs of a gradient within a box: of `x`, the gradient and the box's corners.
/// With momentum, of the previous point and the factors of `x`, of the point ahead and of it.
pub fn sign_step(
    tensors: [FlexTensor; 4],
    momentum: Option<(FlexTensor, [f32; 3])>,
    sizes: &[f32],
) -> FlexTensor {
    let shape = tensors[0].shape();
    let tensors = tensors.map(Values::new);
    let [x, gradient, low, high] = tensors.each_ref().map(Values::slice);
    let momentum = momentum.map(|(previous, factors)| (Values::new(previous), factors));
    let momentum = momentum
        .as_ref()
        .map(|(previous, factors)| Momentum { previous: previous.slice(), factors: *factors });
    let step = SignStep { x, gradient, low, high, sizes, momentum };
    tensor(sign_step::sign_step(step), shape)
}

/// The nearest point to the first tensor in the box between the other two.
pub fn clamp_between(tensors: [FlexTensor; 3]) -> FlexTensor {
    let shape = tensors[0].shape();
    let tensors = tensors.map(Values::new);
    let [x, low, high] = tensors.each_ref().map(Values::slice);
    tensor(sign_step::clamp_between(x, low, high), shape)
}
