//! Kernels against Burn's own operations and closed forms.

mod chain;
mod conv;
mod extremes;
mod mean;
mod norm;
mod normalize;
mod precision;
mod shapes;
mod sign_step;
