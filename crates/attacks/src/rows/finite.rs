//! The rows that hold values that are NaN or infinite.

use super::read;
use burn::tensor::Tensor;
pub use cni_ops::row_extremes as extremes;

/// The first of these rows that is NaN or infinite, and how many such rows there are.
pub fn count_not_finite(rows: &[f64]) -> Option<(usize, usize)> {
    let first = rows.iter().position(|row| !row.is_finite())?;
    Some((first, rows.iter().filter(|row| !row.is_finite()).count()))
}

/// The first row that holds a value which is NaN or infinite, and how many such rows there are.
pub fn not_finite<const D: usize>(values: &Tensor<D>) -> Option<(usize, usize)> {
    count_not_finite(&read(&zeros(values)))
}

/// Zero for each row whose values are all finite, NaN for the others.
///
/// Zero times anything finite is zero, and the sum of zeros does not overflow.
pub fn zeros<const D: usize>(values: &Tensor<D>) -> Tensor<1> {
    let rows = values.dims()[0] as i32;
    values.clone().mul_scalar(0.0).reshape([rows, -1]).sum_dim(1).squeeze_dim(1)
}

/// The largest absolute value of each row, NaN for the rows with values that are not finite.
pub fn peaks<const D: usize>(values: &Tensor<D>) -> Tensor<1> {
    let [least, largest] = extremes(values);
    largest.max_pair(least.neg())
}
