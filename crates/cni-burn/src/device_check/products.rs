//! The precision of matrix products.

use super::{Finding, Outcome, Tolerance};
use crate::panics::caught;
use burn::tensor::Device;
use cni_ops::product_bits;

/// Bits of TF32 behind the leading one. Fewer are no precision to judge in.
const TF32: u32 = 10;

/// The share of the largest by which matrix products of a device in single precision may differ,
/// because it rounds their operands; and the finding about it.
pub fn rounding(device: &Device) -> (f64, Finding) {
    let (rounding, outcome) = match caught(|| product_bits(device)) {
        Ok(bits) => of_bits(bits),
        Err(reason) => (0.0, Outcome::Failed(reason)),
    };
    let name = "operands of matrix products".to_string();
    (rounding, Finding { name, tolerance: Tolerance::Relative(0.0), outcome })
}

fn of_bits(bits: Option<u32>) -> (f64, Outcome) {
    let Some(bits) = bits else { return (0.0, Outcome::Same(0.0)) };
    let rounding = 2f64.powi(-(bits as i32));
    let text = format!(
        "rounded to {bits} bits{}, so that products may differ by {rounding:.0e}",
        if bits == TF32 { " (TF32)" } else { "" }
    );
    match bits {
        TF32.. => (rounding, Outcome::Noted(text)),
        _ => (rounding, Outcome::Failed(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_tf32_is_a_note_and_to_less_a_fault() {
        assert_eq!(of_bits(None), (0.0, Outcome::Same(0.0)));
        let (rounding, outcome) = of_bits(Some(10));
        assert_eq!(rounding, 2f64.powi(-10));
        assert!(matches!(&outcome, Outcome::Noted(text) if text.contains("TF32")), "{outcome:?}");
        assert!(matches!(of_bits(Some(7)).1, Outcome::Failed(_)));
    }
}
