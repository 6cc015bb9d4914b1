//! Private SGD in the slots of a training, noisy weights, and membership attacks.

mod bounds;
mod canaries;
mod gradient;
mod likelihood_ratio;
mod noisy_weights;
mod opacus;
mod report;
mod run;
mod settings;
mod support;
