//! Whole runs by the facade, and the numbers of the README.

#[cfg(feature = "flex")]
mod half_precision_runs;
mod isolation;
mod readme;
