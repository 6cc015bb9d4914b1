//! Records of the comparisons.

mod parity;
mod precision;
mod speed;

pub use parity::{Comparison, Parity};
pub use precision::{Found, Precisions};
pub use speed::{Speed, Turn};

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    0.5 * (values[(n - 1) / 2] + values[n / 2])
}

fn share(flags: &[u8]) -> f64 {
    flags.iter().map(|&flag| f64::from(flag)).sum::<f64>() / flags.len().max(1) as f64
}

fn agreement(a: &[u8], b: &[u8]) -> f64 {
    let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
    same as f64 / a.len().max(1) as f64
}
