//! The precision of matrix products.

use super::comparison::list;
use super::{Finding, Outcome, Tolerance};
use crate::panics::caught;
use burn::tensor::{Device, Tensor};
use std::error::Error;

/// Bits of single precision behind the leading one.
const SINGLE: i32 = 23;
/// Those of TF32.
const TF32: i32 = 10;

/// By how much matrix products of a device in single precision may differ, as a share of the
/// largest, because it rounds their operands; and the finding about it.
pub fn rounding(device: &Device) -> (f64, Finding) {
    let (rounding, outcome) = match caught(|| bits(device).map_err(|error| error.to_string())) {
        Ok(Ok(SINGLE)) => (0.0, Outcome::Same(0.0)),
        Ok(Ok(bits)) => {
            let rounding = 2f64.powi(-bits);
            let text = format!(
                "operands are rounded to {bits} bits{}, so that products may differ by {rounding:.0e}",
                if bits == TF32 { " (TF32)" } else { "" }
            );
            (rounding, if bits < TF32 { Outcome::Failed(text) } else { Outcome::Noted(text) })
        }
        Ok(Err(reason)) | Err(reason) => (0.0, Outcome::Failed(reason)),
    };
    let name = "operands of matrix products".to_string();
    (rounding, Finding { name, tolerance: Tolerance::Relative(0.0), outcome })
}

/// The bits that an operand keeps behind the leading one: a product with ones on the diagonal gives
/// `1 + 2^-bit` back for those.
fn bits(device: &Device) -> Result<i32, Box<dyn Error>> {
    const SIZE: usize = 256;
    let values: Vec<f32> = (1..=SINGLE).map(|bit| 1.0 + 2f32.powi(-bit)).collect();
    let column = Tensor::<1>::from_floats(values.as_slice(), device).reshape([-1, 1]);
    let product = column.expand([SINGLE as usize, SIZE]).matmul(Tensor::eye(SIZE, device));
    let found = list(product)?;
    let kept = values.iter().zip(found.chunks(SIZE));
    let kept = kept.take_while(|(value, row)| row.iter().all(|found| found == *value));
    Ok(kept.count() as i32)
}
