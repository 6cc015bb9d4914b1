//! Records of the comparisons.

mod parity;
mod speed;

pub use parity::{Comparison, Parity};
pub use speed::{Speed, Turn};

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    0.5 * (values[(n - 1) / 2] + values[n / 2])
}
