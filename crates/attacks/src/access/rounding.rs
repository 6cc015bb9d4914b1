//! How much of a difference between draws is rounding.

use crate::rows::at_least_single;
use burn::tensor::Tensor;

/// The share of the logits' spread by which draws may differ in a model without noise: kernels that
/// add in another order.
pub const ROUNDING: f64 = 1e-5;

/// By how much two draws of logits differ in each row, as a share of the row's span, `[batch]`. Up
/// to [`ROUNDING`] that is no noise.
pub fn differing_share(first: Tensor<2>, second: Tensor<2>) -> Tensor<1> {
    let [first, second] = [first, second].map(at_least_single);
    let span = first.clone().max_dim(1) - first.clone().min_dim(1);
    let differ = (first - second).max_abs_dim(1);
    // Where all logits are equal any difference is more than rounding, and none is none.
    let tiny = f64::from(f32::MIN_POSITIVE);
    (differ / span.clamp_min(tiny)).squeeze_dim(1)
}
