//! The convolutions of a plan: those of layers, and a shortcut that is none.

use super::obstacle::ObstacleReason;
use crate::cells::{Layout, Shape};
use crate::conv::options;
use crate::shape::conv2d_output_size;
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// The shape of a convolution that the kernels take.
pub fn shape(conv: &Conv2d, input: Layout) -> Result<Shape, ObstacleReason> {
    let [outputs, kernel_channels, rows, columns] = conv.weight.lazy_shape().dims();
    let options = options(conv, input.size);
    if options.groups != 1 || options.dilation != [1, 1] {
        return Err(ObstacleReason::GroupsOrDilation);
    }
    if conv.weight.dtype() != DType::F32 {
        return Err(ObstacleReason::ParameterType);
    }
    let (kernel, stride, padding) = ([rows, columns], options.stride, options.padding_begin());
    let size = conv2d_output_size(input.size, kernel, stride, [1, 1], options.padding);
    let size = size.filter(|size| !size.contains(&0)).ok_or(ObstacleReason::Shape)?;
    if kernel_channels != input.channels || outputs == 0 {
        return Err(ObstacleReason::Shape);
    }
    let output = Layout::new(input.batch, outputs, size);
    Ok(Shape { input, output, kernel, stride, padding })
}

/// Every `stride`-th pixel, with channels of zeros before and behind, as a convolution: its shape,
/// and its weight of ones and zeros.
pub fn subsample(
    from: Layout,
    stride: usize,
    [before, behind]: [usize; 2],
) -> Result<(Shape, impl FnOnce() -> Tensor<1>), ObstacleReason> {
    if stride == 0 || from.size.contains(&0) {
        return Err(ObstacleReason::Shape);
    }
    let channels = from.channels;
    let outputs = before + channels + behind;
    let weight = move || {
        let len = outputs * channels;
        let mut weight = vec![0.0f32; len];
        for channel in 0..channels {
            weight[(before + channel) * channels + channel] = 1.0;
        }
        Tensor::<1>::from_data(TensorData::new(weight, [len]), &Device::flex())
    };
    let size = from.size.map(|size| (size - 1) / stride + 1);
    let output = Layout::new(from.batch, outputs, size);
    let (kernel, stride) = ([1, 1], [stride, stride]);
    Ok((Shape { input: from, output, kernel, stride, padding: [0, 0] }, weight))
}
