//! Fractions on the command line.

/// Reads a fraction such as `8/255`, or a number such as `0.031`.
pub fn fraction(text: &str) -> Result<f64, String> {
    let refused = || format!("got {text:?}, wanted a number or a fraction such as 8/255");
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| refused());
    let value = match text.split_once('/') {
        Some((above, below)) => number(above)? / number(below)?,
        None => number(text)?,
    };
    if value.is_finite() { Ok(value) } else { Err(refused()) }
}
