use burn::tensor::Tensor;

/// The least and the largest value of each row of a tensor `[rows, ..]`, `[rows]` each; both NaN if
/// the row holds NaN or an infinite value.
///
/// On Flex in single precision it is one pass over memory; Burn's operations serve everything else.
///
/// # Panics
///
/// If the tensor has no values.
pub fn row_extremes<const D: usize>(values: &Tensor<D>) -> [Tensor<1>; 2] {
    let dims = values.dims();
    assert!(!dims.contains(&0), "values: got shape {dims:?}, wanted at least one value");
    #[cfg(feature = "flex")]
    if crate::plain::applies([values]) {
        use crate::plain::PlainOps;
        use burn::backend::Dispatch;
        let (least, largest) = Dispatch::row_extremes(values.clone().into_dispatch());
        return [least, largest].map(Tensor::from_dispatch);
    }
    let rows = values.clone().reshape([dims[0] as i32, -1]);
    // Zero times anything finite is zero, and the sum of zeros does not overflow.
    let zeros = rows.clone().mul_scalar(0.0).sum_dim(1);
    [rows.clone().min_dim(1), rows.max_dim(1)]
        .map(|extremes: Tensor<2>| (extremes + zeros.clone()).squeeze_dim(1))
}
