//! The sign, with gradients that stand for its own.

use crate::NoiseError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A quantizer to −1 and +1, with the gradient that takes the place of the sign's, which is zero.
///
/// The value is −1 below zero and +1 from zero on. What is not finite becomes NaN, so that a broken
/// network does not pass for a binary one.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_layers::binary::Quantizer;
/// # let device = Device::flex();
/// let x = Tensor::<1>::from_floats([-2.0, -0.5, 0.0, 0.5], &device);
/// let signs = Quantizer::ste_sign().forward(x).into_data();
/// assert_eq!(signs.to_vec::<f32>().unwrap(), [-1.0, -1.0, 1.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "quantizer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Quantizer {
    /// The straight-through estimator: a gradient of 1 where `|x| ≤ clip`, and of 0 elsewhere.
    SteSign {
        /// The largest value with a gradient; without one the gradient is 1 everywhere.
        clip: Option<f64>,
    },
    /// A gradient of `2 − 2|x|` where `|x| < 1`, and of 0 elsewhere (Bi-Real Net, Liu et al., arXiv
    /// 1808.00278).
    ApproxSign,
    /// The gradient of SignSwish, `β (2 − βx tanh(βx / 2)) / (1 + cosh(βx))` (BNN+, Darabi et al.,
    /// arXiv 1812.11800). It is negative far from zero.
    SwishSign {
        /// The steepness β, above 0.
        beta: f64,
    },
    /// The gradient of `tanh(βx)`, `β (1 − tanh²(βx))`: smooth and nowhere zero, a surrogate for
    /// attacks (BPDA, Athalye et al., arXiv 1802.00420, section 4.1).
    TanhSign {
        /// The steepness β, above 0.
        beta: f64,
    },
    /// The gradient of the sign itself, zero. Nothing trains through it, and an attack that follows
    /// it is blind, so that layers refuse it: it is there as a surrogate, to show what an audit
    /// says of such an attack.
    Sign,
}

impl Quantizer {
    /// The straight-through estimator within ±1.
    pub const fn ste_sign() -> Self {
        Self::SteSign { clip: Some(1.0) }
    }

    /// The straight-through estimator within ±1.3, as the later models of BinaryDenseNet and Larq's
    /// have it.
    pub const fn dense_net() -> Self {
        Self::SteSign { clip: Some(1.3) }
    }

    /// Larq's SwishSign, of steepness 5.
    pub const fn swish_sign() -> Self {
        Self::SwishSign { beta: 5.0 }
    }

    /// A smooth surrogate of steepness β.
    pub const fn tanh_sign(beta: f64) -> Self {
        Self::TanhSign { beta }
    }

    /// The largest size of a value that has a gradient, if there is one.
    pub fn reach(&self) -> Option<f64> {
        match *self {
            Self::SteSign { clip } => clip,
            Self::ApproxSign => Some(1.0),
            Self::Sign => Some(0.0),
            Self::SwishSign { .. } | Self::TanhSign { .. } => None,
        }
    }

    /// Refuses what a layer cannot be trained by.
    pub(super) fn check(&self) -> Result<(), NoiseError> {
        if *self == Self::Sign {
            let wanted = "a quantizer with a gradient";
            return Err(NoiseError::Model { field: "quantizer", got: "sign".into(), wanted });
        }
        self.check_range()
    }

    /// Refuses settings out of their range.
    pub(super) fn check_range(&self) -> Result<(), NoiseError> {
        let (field, value) = match *self {
            Self::SteSign { clip: Some(clip) } => ("clip", clip),
            Self::SwishSign { beta } | Self::TanhSign { beta } => ("beta", beta),
            Self::SteSign { clip: None } | Self::ApproxSign | Self::Sign => return Ok(()),
        };
        if value.is_finite() && value > 0.0 {
            return Ok(());
        }
        let wanted = "a finite number above 0";
        Err(NoiseError::Model { field, got: value.to_string(), wanted })
    }

    /// −1 or +1 for each value, of any shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let plain = x.clone().inner();
        let sign = Tensor::ones_like(&plain).mask_fill(plain.clone().lower_elem(0.0), -1.0);
        if !x.is_autodiff() {
            return sign + plain.mul_scalar(0.0);
        }
        // Zero, with the slope as its gradient.
        let slope = x * self.slope(plain);
        let zero = slope.clone() - slope.inner().autodiff();
        zero + sign.autodiff()
    }

    /// The gradient at each value.
    fn slope<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match *self {
            Self::SteSign { clip: None } => Tensor::ones_like(&x),
            // By comparison: the gradient of a clamp is zero at its ends.
            Self::SteSign { clip: Some(clip) } => {
                Tensor::zeros_like(&x).mask_fill(x.abs().lower_equal_elem(clip), 1.0)
            }
            Self::Sign => Tensor::zeros_like(&x),
            Self::TanhSign { beta } => {
                let tanh = x.mul_scalar(beta).tanh();
                tanh.square().neg().add_scalar(1.0).mul_scalar(beta)
            }
            Self::ApproxSign => x.abs().mul_scalar(-2.0).add_scalar(2.0).clamp_min(0.0),
            // 1 / (1 + cosh z) = (1 - tanh²(z / 2)) / 2, which does not overflow.
            Self::SwishSign { beta } => {
                let z = x.mul_scalar(beta);
                let tanh = z.clone().div_scalar(2.0).tanh();
                let left = (z * tanh.clone()).neg().add_scalar(2.0);
                left * tanh.square().neg().add_scalar(1.0).mul_scalar(beta / 2.0)
            }
        }
    }
}
