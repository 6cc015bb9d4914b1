//! The difference between draws that counts as rounding.

use crate::rows::at_least_single;
use burn::tensor::Tensor;

/// The share of the logits' spread by which two passes of a model without noise may differ, because
/// kernels may sum in different orders.
pub const ROUNDING: f64 = 1e-5;

/// The difference between two draws of logits in each row, as a share of the row's span, `[batch]`.
/// Up to [`ROUNDING`] it does not count as noise.
pub fn differing_share(first: Tensor<2>, second: Tensor<2>) -> Tensor<1> {
    let [first, second] = [first, second].map(at_least_single);
    let span = first.clone().max_dim(1) - first.clone().min_dim(1);
    let differ = (first - second).max_abs_dim(1);
    // If all logits are equal, the span is zero: any difference then exceeds rounding, and no
    // difference gives zero.
    let tiny = f64::from(f32::MIN_POSITIVE);
    (differ / span.clamp_min(tiny)).squeeze_dim(1)
}
