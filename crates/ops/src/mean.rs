use burn::tensor::Tensor;

/// The mean of each channel of each image, `[batch, channels, height, width]` to
/// `[batch, channels]`: global average pooling.
///
/// Equal to the bit to `x.mean_dims(&[2, 3])`, and so is the gradient.
pub fn spatial_mean(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, ..] = x.dims();
    // Burn adds the values of a single column in an order that depends on their layout in memory.
    #[cfg(feature = "flex")]
    if x.dims()[3] > 1 && crate::batch_norm::fast::applies([&x]) {
        use crate::extension::FastOps;
        use burn::backend::Dispatch;
        return Tensor::from_dispatch(Dispatch::fast_spatial_mean(x.into_dispatch()));
    }
    x.mean_dims(&[2, 3]).reshape([batch, channels])
}
