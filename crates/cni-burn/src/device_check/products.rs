//! The precision of matrix products.

use super::{Finding, Outcome, Tolerance};
use crate::panics::caught;
use burn::tensor::Device;
use cni_ops::product_bits;

/// Bits of single precision behind the leading one.
const SINGLE: u32 = 23;
/// Those of TF32.
const TF32: u32 = 10;

/// By how much matrix products of a device in single precision may differ, as a share of the
/// largest, because it rounds their operands; and the finding about it.
pub fn rounding(device: &Device) -> (f64, Finding) {
    let (rounding, outcome) = match caught(|| product_bits(device)) {
        Ok(SINGLE) => (0.0, Outcome::Same(0.0)),
        Ok(bits) => {
            let rounding = 2f64.powi(-(bits as i32));
            let text = format!(
                "rounded to {bits} bits{}, so that products may differ by {rounding:.0e}",
                if bits == TF32 { " (TF32)" } else { "" }
            );
            (rounding, if bits < TF32 { Outcome::Failed(text) } else { Outcome::Noted(text) })
        }
        Err(reason) => (0.0, Outcome::Failed(reason)),
    };
    let name = "operands of matrix products".to_string();
    (rounding, Finding { name, tolerance: Tolerance::Relative(0.0), outcome })
}
