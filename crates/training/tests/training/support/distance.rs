//! How far two models are apart.

use super::numbers;
use burn::module::Module;

/// The largest difference between the numbers of two models.
pub fn distance<M: Module>(a: &M, b: &M) -> f32 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
