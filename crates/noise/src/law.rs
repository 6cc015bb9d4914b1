//! The Gaussian noise laws as functions of their parameters and of standard normal draws, and their
//! exact covariances.
//!
//! With `v` the tensor that receives noise, `s` the unbiased standard deviation over all its
//! elements, `e` and `e_f` standard normal draws and `⊙` the element-wise product:
//!
//! | law | noise | covariance |
//! | --- | --- | --- |
//! | white (PNI, He, Rakin and Fan, CVPR 2019, eq. 3) | `α s ⊙ e` | `diag(α² s²)` |
//! | colored, reference (CNI, arXiv 2003.02188, as in the authors' code) | `√\|s a\| ⊙ e + F e_f` | `diag(\|s a\|) + F Fᵀ` |
//! | colored, scaled | `s (√\|a\| ⊙ e + F e_f)` | `s² (diag(\|a\|) + F Fᵀ)` |
//!
//! All functions are differentiable with finite gradients everywhere: a square root at zero has the
//! gradient zero.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How the noise's size follows the standard deviation `s` of the tensor that receives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// As the methods' authors compute it. The colored law multiplies its diagonal *variance* by
    /// `s` and leaves the factor alone; the gradient passes through `s`. In the white law `s` is a
    /// constant of the backward pass.
    #[default]
    Reference,
    /// Dimensionally consistent: noise is `s` times a noise that does not depend on the tensor's
    /// scale, and the gradient passes through `s`.
    Scaled,
}

impl Convention {
    /// The standard deviation for the white law, with or without its gradient.
    pub fn white_std<const D: usize>(self, value: &Tensor<D>) -> Tensor<1> {
        match self {
            Self::Reference => standard_deviation(value.clone().inner()),
            Self::Scaled => standard_deviation(value.clone()),
        }
    }

    /// What the colored law multiplies the covariances of its diagonal and of its factor by.
    pub(crate) fn colored_scales(self, std: f64) -> [f64; 2] {
        match self {
            Self::Reference => [std, 1.0],
            Self::Scaled => [std * std; 2],
        }
    }
}

/// The unbiased standard deviation over all elements, `[1]`. Zero for a constant tensor and for a
/// single element.
pub fn standard_deviation<const D: usize>(value: Tensor<D>) -> Tensor<1> {
    let n = value.shape().num_elements();
    standard_deviations(value.reshape([1, n])).reshape([1])
}

/// The unbiased standard deviation of each row: `[rows, n]` to `[rows, 1]`.
pub fn standard_deviations(rows: Tensor<2>) -> Tensor<2> {
    let n = rows.dims()[1];
    let centered = rows.clone() - rows.mean_dim(1);
    let sum = (centered.clone() * centered).sum_dim(1);
    sqrt_or_zero(sum.div_scalar(n.saturating_sub(1).max(1) as f64))
}

/// Square root whose gradient at zero is zero instead of infinite. Negative values count as zero.
fn sqrt_or_zero<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let zero = x.clone().lower_equal_elem(0.0);
    x.mask_fill(zero.clone(), 1.0).sqrt().mask_fill(zero, 0.0)
}

/// White noise `α s ⊙ e`.
///
/// `alpha` and `std` broadcast against `draw`, the standard normal values, whose shape the noise
/// has.
pub fn white<const D: usize>(alpha: Tensor<D>, std: Tensor<D>, draw: Tensor<D>) -> Tensor<D> {
    draw * (alpha * std)
}

/// The parameters of the colored law for a tensor of `n` elements.
#[derive(Clone, Debug)]
pub struct Colored {
    /// `a`, the diagonal: `[n]`. Only its absolute value counts.
    pub diagonal: Tensor<1>,
    /// `F`, the factor: `[n, rank]`; `None` for rank 0.
    pub factor: Option<Tensor<2>>,
    /// How the size follows the tensor's standard deviation.
    pub convention: Convention,
}

impl Colored {
    /// Colored noise, `[rows, n]`: each row an independent draw.
    ///
    /// - `std`: the standard deviation `s`, `[1, 1]` or one for each row, `[rows, 1]`.
    /// - `independent`: the draws `e`, `[rows, n]`.
    /// - `shared`: the draws `e_f`, `[rows, rank]`, for a law with a factor.
    ///
    /// # Panics
    ///
    /// If there is a factor without shared draws, or the other way round.
    pub fn noise(
        self,
        std: Tensor<2>,
        independent: Tensor<2>,
        shared: Option<Tensor<2>>,
    ) -> Tensor<2> {
        assert!(
            self.factor.is_some() == shared.is_some(),
            "shared: got {} for a law {}, wanted shared draws exactly if there is a factor",
            if shared.is_some() { "draws" } else { "none" },
            if self.factor.is_some() { "with a factor" } else { "without one" },
        );
        let a = self.diagonal.abs().unsqueeze::<2>();
        let color = self.factor.zip(shared).map(|(factor, e_f)| e_f.matmul(factor.transpose()));
        match self.convention {
            Convention::Reference => {
                let noise = sqrt_or_zero(std * a) * independent;
                color.map_or(noise.clone(), |color| noise + color)
            }
            Convention::Scaled => {
                let noise = sqrt_or_zero(a) * independent;
                std * color.map_or(noise.clone(), |color| noise + color)
            }
        }
    }

    /// The covariance of one draw, `[n, n]`, for the standard deviation `std`.
    ///
    /// Memory grows with `n²`; [`variance`](Self::variance) is its diagonal alone.
    pub fn covariance(&self, std: f64) -> Tensor<2> {
        let [diagonal, factor] = self.convention.colored_scales(std);
        let diagonal = diagonal_matrix(self.diagonal.clone().abs()).mul_scalar(diagonal);
        match self.factor.clone() {
            Some(f) => diagonal + f.clone().matmul(f.transpose()).mul_scalar(factor),
            None => diagonal,
        }
    }

    /// The variance of each element, `[n]`, for the standard deviation `std`.
    pub fn variance(&self, std: f64) -> Tensor<1> {
        let [diagonal, factor] = self.convention.colored_scales(std);
        let diagonal = self.diagonal.clone().abs().mul_scalar(diagonal);
        match self.factor.clone() {
            Some(f) => diagonal + (f.clone() * f).sum_dim(1).squeeze_dim::<1>(1).mul_scalar(factor),
            None => diagonal,
        }
    }
}

/// The covariance of white noise, `[n, n]`: `diag(α² s²)` for `alpha` `[n]`.
pub fn white_covariance(alpha: Tensor<1>, std: f64) -> Tensor<2> {
    diagonal_matrix((alpha.clone() * alpha).mul_scalar(std * std))
}

fn diagonal_matrix(diagonal: Tensor<1>) -> Tensor<2> {
    let identity = Tensor::<2>::eye(diagonal.dims()[0], &diagonal.device()).cast(diagonal.dtype());
    diagonal.unsqueeze::<2>() * identity
}
