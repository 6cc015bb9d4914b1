//! bfloat16: the upper half of single precision.

/// The value in single precision, exactly.
#[inline(always)]
pub fn widen(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// The nearest value, ties to even. A NaN stays one.
#[inline(always)]
pub fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16;
    // Rounding could carry a NaN's significand over into the sign.
    let quiet = (bits >> 16) as u16 | 0x40;
    if value.is_nan() { quiet } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_to_the_nearest_and_ties_to_even() {
        for bits in 0..=u16::MAX {
            let value = widen(bits);
            if value.is_nan() {
                assert!(widen(narrow(value)).is_nan());
                continue;
            }
            assert_eq!(narrow(value), bits);
            if !value.is_finite() {
                continue;
            }
            // Halfway to the next value away from zero, and one unit of single precision around.
            let half = f32::from_bits(value.to_bits() | 0x8000);
            let even = bits + (bits & 1);
            assert_eq!(narrow(half), even, "{value}");
            assert_eq!(narrow(f32::from_bits(half.to_bits() - 1)), bits);
            assert_eq!(narrow(f32::from_bits(half.to_bits() + 1)), bits + 1);
        }
        assert!(widen(narrow(f32::from_bits(0x7F80_0001))).is_nan());
        assert!(widen(narrow(f32::from_bits(0xFFFF_FFFF))).is_nan());
    }
}
