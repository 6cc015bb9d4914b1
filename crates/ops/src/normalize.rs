use burn::tensor::Tensor;

/// `(x - mean) / std` by channel, `[batch, channels, height, width]` to the same shape.
///
/// Mean and standard deviation, `[channels]` or `[1]` each, are constants without a graph. Value
/// and gradient equal those of Burn's operations to the bit.
///
/// # Panics
///
/// If the channels do not fit together.
pub fn normalize(x: Tensor<4>, mean: Tensor<1>, std: Tensor<1>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if crate::batch_norm::fast::applies([&x]) && fast::applies(&x, [&mean, &std]) {
        use crate::extension::FastOps;
        use burn::backend::Dispatch;
        let [x, mean, std] = [x.into_dispatch(), mean.into_dispatch(), std.into_dispatch()];
        return Tensor::from_dispatch(Dispatch::fast_normalize(x, mean, std));
    }
    let [mean, std] = [mean, std].map(|values| values.reshape([1, -1, 1, 1]));
    (x - mean) / std
}

#[cfg(feature = "flex")]
mod fast {
    use burn::backend::DispatchDevice;
    use burn::tensor::{DType, Tensor};

    /// True if our kernels take these constants for `x`.
    pub fn applies(x: &Tensor<4>, constants: [&Tensor<1>; 2]) -> bool {
        constants.into_iter().all(|values| {
            values.dtype() == DType::F32
                && matches!(values.device().as_dispatch(), DispatchDevice::Flex(_))
                && values.dims()[0] == x.dims()[1]
        })
    }
}
