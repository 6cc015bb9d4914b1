use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

/// The element type in which convolutions and linear layers multiply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The tensors' own: single precision by default.
    #[default]
    Full,
    /// bfloat16: the range of single precision, 8 bits of significand.
    Bf16,
    /// IEEE half precision, 11 bits of significand. Gradients below 6e-8 become zero, and with them
    /// the sign that an attack follows; a loss that is a mean over a large batch brings them there.
    F16,
}

impl Precision {
    /// The element type; none for [`Full`](Self::Full).
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::Full => None,
            Self::Bf16 => Some(DType::BF16),
            Self::F16 => Some(DType::F16),
        }
    }

    /// True if a device computes in this type.
    pub fn works_on(self, device: &Device) -> bool {
        self.dtype().is_none_or(|dtype| device.clone().inner().supports_dtype(dtype))
    }
}

/// Bits of single precision behind the leading one.
const BITS: usize = 23;

/// Rounding of the operands of a device's matrix products in single precision: the bits behind the
/// leading one that are left, 10 in TF32, as Burn multiplies on NVIDIA's tensor cores; `None` where
/// all 23 are.
///
/// # Panics
///
/// If the device cannot compute or be read.
pub fn product_bits(device: &Device) -> Option<u32> {
    // Large enough for kernels that round.
    const SIZE: usize = 256;
    let device = &device.clone().inner();
    let column = Tensor::<1>::from_floats(probes().as_slice(), device).reshape([-1, 1]);
    // A product with ones on the diagonal gives back what is left of a value.
    let product = column.expand([BITS, SIZE]).matmul(Tensor::<2>::eye(SIZE, device));
    let found: Vec<f32> = product.try_to_vec_as().expect("the device can be read");
    bits_of(&found)
}

/// `1 + 2^-bit` for each bit.
fn probes() -> Vec<f32> {
    (1..=BITS as i32).map(|bit| 1.0 + 2f32.powi(-bit)).collect()
}

/// The bits up to the first whose row, one a probe, is not what the probe was.
fn bits_of(found: &[f32]) -> Option<u32> {
    let rows = found.chunks(found.len() / BITS);
    let is_kept = |(probe, row): &(f32, &[f32])| row.iter().all(|value| value == probe);
    let kept = probes().into_iter().zip(rows).take_while(is_kept).count();
    (kept < BITS).then_some(kept as u32)
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

/// A text that names no precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("precision: got {0:?}, wanted full, bf16 or f16")]
pub struct ParsePrecisionError(String);

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Full, Self::Bf16, Self::F16];
        let found = all.into_iter().find(|precision| precision.to_string() == text);
        found.ok_or_else(|| ParsePrecisionError(text.to_string()))
    }
}

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Full) };
}

/// Runs `f` with mixed precision on this thread: the convolutions and linear layers of this crate,
/// and so those of the noisy layers and models built on it, multiply in `precision`. Sums, noise
/// and parameters keep their type, and so do all other operations; but within a
/// [`Chain`](crate::Chain) on the CPU activations and gradients stay in bfloat16 between layers.
///
/// Gradients pass through in the same way, so that an optimizer sees parameters and gradients of
/// full precision. Scopes nest, and end also if `f` panics. Burn's own layers know nothing of
/// it.
///
/// Like a noise scope it belongs inside a job of a thread pool, not around the pool: threads that
/// `f` starts are outside it, and a worker of Rayon that waits for a job within it runs other jobs
/// meanwhile, on the same thread and so in this precision.
///
/// ```
/// # use burn::{nn::conv::Conv2dConfig, tensor::{Device, Tensor}};
/// use cni_ops::{Precision, autocast, conv2d};
/// # let device = Device::flex();
/// let layer = Conv2dConfig::new([1, 2], [3, 3]).init(&device);
/// let x = Tensor::ones([1, 1, 8, 8], &device);
/// let full = conv2d(&layer, x.clone());
/// let half = autocast(Precision::Bf16, || conv2d(&layer, x));
/// assert_eq!(half.dtype(), full.dtype());
/// assert!((half - full).abs().max().into_scalar::<f32>() < 0.05);
/// ```
pub fn autocast<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    struct Restore(Precision);
    impl Drop for Restore {
        fn drop(&mut self) {
            PRECISION.set(self.0);
        }
    }
    let _restore = Restore(PRECISION.replace(precision));
    f()
}

/// The precision in force on this thread.
pub fn current_precision() -> Precision {
    PRECISION.get()
}

/// Runs `f` on tensors of the type in force, and gives its result the type of `x`; `None` if
/// that is their own.
pub(crate) fn cast<const D: usize, const W: usize>(
    x: &Tensor<D>,
    weight: impl FnOnce() -> Tensor<W>,
    f: impl FnOnce(Tensor<D>, Tensor<W>) -> Tensor<D>,
) -> Option<Tensor<D>> {
    let dtype = current_precision().dtype().filter(|dtype| *dtype != x.dtype())?;
    Some(f(x.clone().cast(dtype), weight().cast(dtype)).cast(x.dtype()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding to the nearest of so many bits, ties to even.
    fn rounded(value: f32, bits: u32) -> f32 {
        let dropped = 23 - bits;
        let half = (1 << dropped) / 2 - 1 + (value.to_bits() >> dropped & 1);
        f32::from_bits((value.to_bits() + half) >> dropped << dropped)
    }

    #[test]
    fn the_bits_of_a_product_are_those_that_its_rounding_leaves() {
        let product = |bits| -> Vec<f32> {
            probes().iter().flat_map(|&probe| [rounded(probe, bits); 3]).collect()
        };
        for bits in [7, 10, 11] {
            assert_eq!(bits_of(&product(bits)), Some(bits));
        }
        let all: Vec<f32> = probes().iter().flat_map(|&probe| [probe; 3]).collect();
        assert_eq!(bits_of(&all), None);
        // One place of a row that is wrong is enough.
        let mut one = all;
        one[3 * 11 + 2] = 1.0;
        assert_eq!(bits_of(&one), Some(11));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_cpu_multiplies_in_single_precision() {
        assert_eq!(product_bits(&Device::flex()), None);
    }
}
