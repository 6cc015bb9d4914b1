//! The sign, with gradients that stand for its own.

use crate::NoiseError;
use burn::tensor::Tensor;
use serde::{Deserialize, Deserializer, Serialize};

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
    /// A gradient of `2 − 2|x|` where `|x| < 1`, and of 0 elsewhere, ±1 included (Bi-Real Net, Liu
    /// et al., arXiv 1808.00278). A clamp of latent weights must end before ±1: a weight that it
    /// leaves there has no gradient.
    #[serde(deserialize_with = "no_fields")]
    ApproxSign,
    /// The gradient of SignSwish, `β (2 − βx tanh(βx / 2)) / (1 + cosh(βx))` (BNN+, Darabi et al.,
    /// arXiv 1812.11800). It is negative far from zero.
    SwishSign {
        /// The steepness β, above 0.
        beta: f64,
    },
    /// The gradient of `tanh(βx)`, `β (1 − tanh²(βx))`: smooth, above zero in single precision for
    /// every `|βx| ≤ 40`, and zero beyond 52, where it is less than the smallest number. A
    /// surrogate for attacks (BPDA, Athalye et al., arXiv 1802.00420, section 4.1).
    TanhSign {
        /// The steepness β, above 0.
        beta: f64,
    },
    /// The gradient of the sign itself, zero. Nothing trains through it, and an attack that follows
    /// it is blind, so that layers refuse it: it is there as a surrogate, to show what an audit
    /// says of such an attack.
    #[serde(deserialize_with = "no_fields")]
    Sign,
}

/// Reads a variant without settings, which serde would let have any beside its name.
pub(crate) fn no_fields<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoFields {}
    NoFields::deserialize(from).map(|NoFields {}| ())
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

    /// The largest size of a value that has a gradient, if there is one. That of
    /// [`ApproxSign`](Self::ApproxSign), which has none at ±1, is the number in single precision
    /// before 1.
    pub fn reach(&self) -> Option<f64> {
        match *self {
            Self::SteSign { clip } => clip,
            Self::ApproxSign => Some(1.0_f32.next_down().into()),
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
                // 1 − tanh² z = 4e / (1 + e)² with e = exp(−2|z|): no difference of equals.
                let e = x.abs().mul_scalar(-2.0 * beta).exp();
                e.clone().mul_scalar(4.0 * beta) / e.add_scalar(1.0).square()
            }
            Self::ApproxSign => x.abs().mul_scalar(-2.0).add_scalar(2.0).clamp_min(0.0),
            // 1 / (1 + cosh z) = 2e / (1 + e)² with e = exp(−|z|), which does not overflow.
            Self::SwishSign { beta } => {
                let z = x.mul_scalar(beta);
                let e = z.clone().abs().neg().exp();
                let left = (z.clone() * z.div_scalar(2.0).tanh()).neg().add_scalar(2.0);
                left * e.clone().mul_scalar(2.0 * beta) / e.add_scalar(1.0).square()
            }
        }
    }
}
