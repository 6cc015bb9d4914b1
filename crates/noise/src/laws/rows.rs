//! The rows that noise is for, and their standard deviations.

use super::parameters::exactly;
use burn::tensor::{Bool, DType, Tensor};

/// The tensor that receives noise as rows of elements, `[rows, elements]`.
#[derive(Clone, Debug)]
pub struct Rows {
    values: Tensor<2>,
    std_per_row: bool,
}

impl Rows {
    /// These rows, with a standard deviation for each or one over all.
    pub fn new(values: Tensor<2>, std_per_row: bool) -> Self {
        Self { values, std_per_row }
    }

    /// The values, `[rows, elements]`.
    pub fn values(&self) -> Tensor<2> {
        self.values.clone()
    }

    /// The standard deviation `s`, `[rows, 1]` or `[1, 1]`, with its gradient.
    pub fn std(&self) -> Tensor<2> {
        standard_deviations(self.over())
    }

    /// The standard deviation `s`, `[rows, 1]` or `[1, 1]`, as a constant of the backward pass.
    pub fn constant_std(&self) -> Tensor<2> {
        standard_deviations(self.over().inner())
    }

    fn over(&self) -> Tensor<2> {
        let [rows, elements] = self.values.dims();
        match self.std_per_row {
            true => self.values(),
            false => self.values().reshape([1, rows * elements]),
        }
    }
}

/// The standard normal values of a law's noise: `[draws, n]` for each of its streams, with one draw
/// for all rows or one for each.
#[derive(Clone, Debug)]
pub struct Draws {
    streams: Vec<Tensor<2>>,
    /// The name in messages.
    name: String,
}

impl Draws {
    /// These streams.
    pub fn new(streams: Vec<Tensor<2>>) -> Self {
        Self { streams, name: "draws".to_string() }
    }

    /// These streams, of the law of this name.
    pub(crate) fn of(law: &str, streams: Vec<Tensor<2>>) -> Self {
        Self { streams, name: format!("draws of {law}") }
    }

    /// The streams, as many as the law has.
    ///
    /// # Panics
    ///
    /// If there are others.
    #[track_caller]
    pub fn streams<const N: usize>(self) -> [Tensor<2>; N] {
        exactly(&self.name, self.streams)
    }
}

/// The unbiased standard deviation over all elements, `[1]`. Zero for a constant tensor and for a
/// single element. Of half precision it is computed in single precision.
pub fn standard_deviation<const D: usize>(value: Tensor<D>) -> Tensor<1> {
    let n = value.shape().num_elements();
    standard_deviations(value.reshape([1, n])).reshape([1])
}

/// The unbiased standard deviation of each row: `[rows, n]` to `[rows, 1]`. Otherwise as
/// [`standard_deviation`].
pub fn standard_deviations(rows: Tensor<2>) -> Tensor<2> {
    let dtype = rows.dtype();
    // The sum of squares, and `n` itself, may be beyond the range of half precision.
    if matches!(dtype, DType::F16 | DType::BF16) {
        return standard_deviations(rows.cast(DType::F32)).cast(dtype);
    }
    let n = rows.dims()[1];
    let constant = constant_rows(rows.clone().inner());
    let centered = rows.clone() - rows.mean_dim(1);
    // A sum of equal values is rounded, so that their mean is another value.
    let sum = (centered.clone() * centered).sum_dim(1).mask_fill(constant, 0.0);
    sqrt_or_zero(sum.div_scalar(n.saturating_sub(1).max(1) as f64))
}

/// True for each row of equal values, `[rows, 1]`. Never for values that are not finite, whose
/// difference is NaN.
fn constant_rows(rows: Tensor<2>) -> Tensor<2, Bool> {
    let [count, n] = rows.dims();
    let first = rows.clone().slice([0..count, 0..n.min(1)]);
    // A sum without a term below zero is zero only if all terms are.
    (rows - first).abs().sum_dim(1).equal_elem(0.0)
}

/// Square root whose gradient at zero is zero instead of infinite. Negative values count as zero.
pub(super) fn sqrt_or_zero<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let zero = x.clone().lower_equal_elem(0.0);
    x.mask_fill(zero.clone(), 1.0).sqrt().mask_fill(zero, 0.0)
}
